"""The process that tells MLflow of a training, beside which it runs; `following` starts it.

It reads batches of events from its standard input. At the first trouble it says so in one line and
ends: the training goes on without it, and `publish` shows the result afterwards. If the events end
before a seed is finished, its training has failed or was killed.
"""

import logging
import os
import pickle
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PIL import Image

from whitepatch.tracking import store
from whitepatch.tracking.publishing import BATCH

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


@dataclass
class Reporter:
    """Tells MLflow of one seed after the other.

    Attributes:
        about: What all seeds share, as `following` opens with it.
    """

    about: Mapping[str, Any]
    _client: "MlflowClient" = field(default_factory=store.client)
    _experiment_id: str = ""
    _run: Mapping[str, Any] = field(default_factory=dict)
    _run_id: str = ""
    _metrics: "list[Metric]" = field(default_factory=list)
    _panel: tuple[int, Mapping[str, Any]] | None = None
    _monitor: "SystemMetricsMonitor | None" = None

    def __post_init__(self) -> None:
        self._experiment_id = store.experiment(
            self._client, self.about["experiment"], self.about["tags"], renew=False
        )

    def tell(self, events: Iterable[tuple[str, Any]]) -> None:
        """Tell MLflow of events: all numbers together, and only the newest panel."""
        from mlflow.entities import Metric

        for what, content in events:
            if what == "begin":
                self._begin(content)
            elif what == "epoch":
                self._metrics += [
                    Metric(name, value, content["at"], int(content["epoch"]))
                    for name, value in content.items()
                    if name not in ("epoch", "at")
                ]
            elif what == "panel":
                self._panel = content
            else:
                self._send()
                self.end("FINISHED")
        self._send()

    def end(self, status: str) -> None:
        """End the run of a seed, if there is one."""
        if self._monitor:
            self._monitor.finish()
            self._monitor = None
        if self._run_id:
            self._client.set_terminated(self._run_id, status)
            self._run_id = ""

    def _begin(self, run: Mapping[str, Any]) -> None:
        from mlflow.entities import Param
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        from whitepatch.figures import style

        colour = style.colours(self.about["variants"])[run["tags"]["variant"]]
        tags = run["tags"] | {store.KEY: run["key"], store.OWNER: store.clone()}
        tags["mlflow.runColor"] = colour
        made = self._client.create_run(self._experiment_id, run_name=run["name"], tags=tags)
        self._run, self._run_id = run, str(made.info.run_id)
        params = [Param(name, str(value)) for name, value in run["params"].items()]
        self._client.log_batch(self._run_id, params=params)
        self._monitor = SystemMetricsMonitor(self._run_id, tracking_uri=store.tracking_uri())
        self._monitor.start()

    def _send(self) -> None:
        for start in range(0, len(self._metrics), BATCH):
            self._client.log_batch(self._run_id, metrics=self._metrics[start : start + BATCH])
        self._metrics.clear()
        if self._panel:
            epoch, maps = self._panel
            self._client.log_image(self._run_id, self._drawn(maps), key="maps", step=epoch)
            self._panel = None

    def _drawn(self, maps: Mapping[str, Any]) -> Image.Image:
        from whitepatch.figures import style
        from whitepatch.figures.panels import Panel, attention_panel

        panel, variant = Panel(**self.about["panel"]), self._run["tags"]["variant"]
        figure = attention_panel(
            panel,
            {variant: {f"map/{name}": values[None] for name, values in maps.items()}},
            [(variant, name, "") for name in maps],
            {variant: self._run["title"]},
            0,
            range(len(panel)),
        )
        with TemporaryDirectory() as folder:
            style.save(figure, Path(folder) / "maps.png")
            with Image.open(Path(folder) / "maps.png") as drawn:
                return drawn.copy()


def main(nice: int) -> None:
    """Read batches until they end."""
    # what MLflow and its libraries say is no concern of a training: one line of ours is enough
    logging.disable(logging.CRITICAL)
    os.nice(nice)
    store.quiet(10)
    status = 0
    try:
        reporter = Reporter(pickle.load(sys.stdin.buffer))  # noqa: S301 -- the training's own
        with suppress(EOFError):
            while True:
                reporter.tell(pickle.load(sys.stdin.buffer))  # noqa: S301
        reporter.end("FAILED")
    except Exception as error:
        print(store.untold(store.reason(error)), file=sys.stderr, flush=True)  # noqa: T201
        status = 1
    os._exit(status)  # no thread of MLflow's holds us


if __name__ == "__main__":
    main(int(sys.argv[1]))
