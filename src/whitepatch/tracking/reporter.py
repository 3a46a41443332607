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
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from PIL import Image

from whitepatch.tracking import store
from whitepatch.tracking.lines import unpacked
from whitepatch.tracking.store import COMPLETE, IDENTITY, KEY, LIVE, TRAINING

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
class Seed:
    """One seed's run: what has been told of it, and how much of that MLflow has.

    Attributes:
        run: Its name and title, its tags and parameters.
        rows: Epochs whose numbers MLflow has not got yet.
        panels: Epochs and arrays whose picture it has not got yet.
        end: How the training ended, if it has: a status, and the digest of what it left.
        run_id: In MLflow, if it is there.
    """

    run: Mapping[str, Any]
    rows: list[dict[str, float]] = field(default_factory=list)
    panels: list[tuple[int, dict[str, NDArray[Any]]]] = field(default_factory=list)
    end: tuple[str, str] | None = None
    run_id: str = ""


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
        if told["what"] == "begin":
            self.seeds.append(Seed(told["run"], list(told["rows"])))
        elif told["what"] == "epoch":
            row = told["row"] | {"images_per_second": told["images_per_second"]}
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
                store.knock(LAST_KNOCK if last and self._warned else KNOCK)
            while self.seeds:
                self._tell(self.seeds[0])
                if self.seeds[0].end is None:
                    break
                self.seeds.pop(0)
            self._silent_until = 0.0
        except Exception as error:
            self._forget_what_is_gone()
            self.warn(store.reason(error), store.cure(error))
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
            f"MLflow at {store.shown_uri()} cannot be told of this training ({reason}), which goes "
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
            seed.run_id = self._run(client, seed)
            self._watch(seed.run_id)
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, int(row["epoch"]))
            for row in seed.rows
            for name, value in row.items()
            if name != "epoch"
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

    def _run(self, client: "MlflowClient", seed: Seed) -> str:
        """Return the run of a seed: the one it had before it was interrupted, or a new one."""
        from whitepatch.figures import style

        tags = seed.run["tags"] | {
            KEY: seed.run["key"],
            IDENTITY: seed.run["identity"],
            LIVE: store.me(self.about["process"]),
            "mlflow.runColor": style.colours(seed.run["variants"])[seed.run["tags"]["variant"]],
        }
        only = f"tags.`{KEY}` = '{tags[KEY]}'"
        for found in list(store.all_runs(client, self._experiment_id, only)):
            if COMPLETE in found.data.tags or found.info.status == "FINISHED":
                continue
            same = found.data.tags.get(IDENTITY) == tags[IDENTITY]
            if same and LIVE in found.data.tags and not store.is_written(found):
                known = _steps(client, found)
                # one that had more was of a training that began anew
                if max((0, *(max(steps) for steps in known.values()))) <= len(seed.rows):
                    return self._continued(client, found, seed, tags[LIVE], known)
            if found.info.status == "RUNNING" and not store.is_written(found):
                client.set_terminated(found.info.run_id, "KILLED")
        created = client.create_run(self._experiment_id, run_name=seed.run["name"], tags=tags)
        run_id = str(created.info.run_id)
        for name, value in seed.run["params"].items():
            client.log_param(run_id, name, value)
        return run_id

    @staticmethod
    def _continued(
        client: "MlflowClient", found: Any, seed: Seed, live: str, known: Mapping[str, set[int]]
    ) -> str:
        run_id = str(found.info.run_id)
        client.set_tag(run_id, LIVE, live)
        client.update_run(run_id, status="RUNNING")
        for name in seed.run["params"].keys() - found.data.params.keys():
            client.log_param(run_id, name, seed.run["params"][name])
        seed.rows = [
            {"epoch": row["epoch"]}
            | {
                name: value
                for name, value in row.items()
                if int(row["epoch"]) not in known.get(name, ())
            }
            for row in seed.rows
        ]
        return run_id

    def _watch(self, run_id: str | None) -> None:
        """Log the machine's load into a run, and no longer into the one before."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        if self._monitor:
            self._monitor.finish()
            self._monitor = None
        if run_id:
            self._monitor = SystemMetricsMonitor(
                run_id, resume_logging=True, tracking_uri=store.tracking_uri()
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
        with TemporaryDirectory() as folder:
            style.save(figure, Path(folder) / "maps.png")
            with Image.open(Path(folder) / "maps.png") as drawn:
                return drawn.copy()


def _steps(client: "MlflowClient", found: Any) -> dict[str, set[int]]:
    """Return the epochs that a run has of each metric; the machine's load has no epochs."""
    run_id = found.info.run_id
    return {
        name: {metric.step for metric in client.get_metric_history(run_id, name)}
        for name in found.data.metrics
        if not name.startswith("system/")
    }


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
