"""The process that tells MLflow of a training, beside which it runs; `following` starts it.

It reads lines from its standard input. What MLflow does not take is kept and tried again with what
comes next, so a server that comes back is told everything. However long that takes, the training
does not notice. If the lines end without a word, the training was killed.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from PIL import Image

from whitepatch import paths
from whitepatch.files import scratch
from whitepatch.tracking import store, trouble
from whitepatch.tracking.address import shown_uri, tracking_uri
from whitepatch.tracking.lines import unpacked
from whitepatch.tracking.seeds import Seed, run_of
from whitepatch.tracking.store import TRAINING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

PAUSE = 15.0
"""Seconds before MLflow is spoken to again, after it has failed."""

KNOCK, LAST_KNOCK = 3.0, 1.0
"""Seconds for a server to show that it is there; at the end of a training, one that has failed."""

PATIENCE = 60
"""Seconds that this process outlives its training."""


@dataclass
class Reporter:
    """Tells MLflow, and says once on stderr if it does not answer."""

    about: Mapping[str, Any]
    seeds: list[Seed] = field(default_factory=list)
    _client: "MlflowClient | None" = None
    _experiment_id: str = ""
    _monitor: "SystemMetricsMonitor | None" = None
    _silent_until: float = 0.0
    _warned: bool = False

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take what a line tells."""
        now = int(time.time() * 1000)
        if told["what"] == "begin":
            self.seeds.append(Seed(told["run"], [row | {"at": now} for row in told["rows"]]))
        elif told["what"] == "epoch":
            row = told["row"] | {"images_per_second": told["images_per_second"], "at": now}
            self.seeds[-1].rows.append(row)
            self.seeds[-1].panels.append((int(row["epoch"]), unpacked(told["maps"])))
        elif told["what"] == "finish":
            self.seeds[-1].end = ("FINISHED", told["training"])
        elif told["what"] == "fail":
            self.close("FAILED")

    def close(self, status: str) -> None:
        """Take note that a seed that is not finished never will be."""
        if self.seeds and self.seeds[-1].end is None:
            self.seeds[-1].end = (status, "")

    def tell(self, *, last: bool = False) -> None:
        """Tell MLflow what it does not know yet; of a failure speak once, and try again later."""
        if time.monotonic() < self._silent_until and not last:
            return
        try:
            if self._client is None or self._silent_until:
                trouble.knock(LAST_KNOCK if last and self._warned else KNOCK)
            while self.seeds:
                self._tell(self.seeds[0])
                if self.seeds[0].end is None:
                    break
                self.seeds.pop(0)
            self._silent_until = 0.0
        except Exception as error:
            self._forget_what_is_gone()
            self.warn(trouble.reason(error), trouble.cure(error))
            self._silent_until = time.monotonic() + PAUSE

    def _forget_what_is_gone(self) -> None:
        """Of a run that somebody has deleted begin another, the next time."""
        seed = self.seeds[0]
        with suppress(Exception):
            run = self._client and seed.run_id and self._client.get_run(seed.run_id)
            if run and run.info.lifecycle_stage == "deleted":
                seed.run_id, self._client = "", None

    def warn(self, reason: str, cure: str = "") -> None:
        """Say that MLflow does not take what it is told; only once."""
        if self._warned:
            return
        self._warned = True
        print(  # noqa: T201
            f"MLflow at {shown_uri()} cannot be told of this training ({reason}), which goes "
            f"on all the same; {cure}{'; ' if cure else ''}`whitepatch publish` shows the result "
            "afterwards",
            file=sys.stderr,
        )

    def _tell(self, seed: Seed) -> None:
        from mlflow.entities import Metric, RunTag

        if self._client is None:
            client = store.client()
            self._experiment_id = store.experiment(
                client, self.about["experiment"], self.about["tags"], renew=False
            )
            self._client = client
        client = self._client
        if not seed.run_id:
            seed.run_id = run_of(client, self._experiment_id, seed, self.about["process"])
            self._watch(seed.run_id)
        elif self._silent_until:
            self._watch(seed.run_id)  # MLflow's monitor gives up at its first failure
        metrics = [
            Metric(name, value, int(row["at"]), int(row["epoch"]))
            for row in seed.rows
            for name, value in row.items()
            if name not in ("epoch", "at")
        ]
        for start in range(0, len(metrics), 1000):  # the most that one call may carry
            client.log_batch(seed.run_id, metrics=metrics[start : start + 1000])
        seed.rows.clear()
        while seed.panels:
            epoch, maps = seed.panels[0]
            client.log_image(seed.run_id, self._drawn(seed, maps), key="maps", step=epoch)
            seed.panels.pop(0)
        if seed.end:
            status, digest = seed.end
            self._watch(None)
            if digest:
                client.log_batch(seed.run_id, tags=[RunTag(TRAINING, digest)])
            client.set_terminated(seed.run_id, status)

    def _watch(self, run_id: str | None) -> None:
        """Log the machine's load into a run, and no longer into the one before."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        if self._monitor:
            self._monitor.finish()
            self._monitor = None
        if run_id:
            self._monitor = SystemMetricsMonitor(
                run_id, resume_logging=True, tracking_uri=tracking_uri()
            )
            self._monitor.start()

    def _drawn(self, seed: Seed, maps: Mapping[str, NDArray[Any]]) -> Image.Image:
        from whitepatch.figures import style
        from whitepatch.figures.panels import Panel, attention_panel

        panel = unpacked(self.about["panel"])
        pictures = Panel(panel["pictures"], panel["tops"], panel["lefts"], self.about["size"])
        variant = seed.run["tags"]["variant"]
        figure = attention_panel(
            pictures,
            {variant: {f"map/{name}": values[None] for name, values in maps.items()}},
            [(variant, name, "") for name in maps],
            {variant: seed.run["title"]},
            0,
            range(len(pictures)),
        )
        with scratch(paths.MLFLOW) as folder:
            style.save(figure, Path(folder) / "maps.png")
            with Image.open(Path(folder) / "maps.png") as drawn:
                return drawn.copy()


def main(nice: int) -> None:
    """Read lines until they end."""
    # what MLflow and its libraries say is no concern of who trains: one warning of ours is enough
    logging.disable(logging.CRITICAL)
    os.nice(nice)
    store.quiet(10)
    reporter: Reporter | None = None

    def leave(_: int, __: FrameType | None) -> None:
        if reporter:
            reporter.warn("it does not answer in time")
        os._exit(1)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGALRM, leave)
    for text in sys.stdin:
        told = json.loads(text)
        if reporter is None:
            reporter = Reporter(told)
            continue
        reporter.hear(told)
        reporter.tell()
    signal.alarm(PATIENCE)
    if reporter:
        reporter.close("KILLED")
        reporter.tell(last=True)
    # no thread of MLflow's holds us
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
