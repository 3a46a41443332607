"""The process that tells MLflow of trainings, beside which it runs; `following` starts it.

It reads batches of events from its standard input, and tells of all that wait at once, so it can
be late, but falls no further behind; of trainings that are over before it comes to them it tells
nothing if it is late. At the first trouble it says so in one line and ends. In either case the
trainings go on, and `publish` shows the result afterwards. If the events end before a cell is
finished, its training has failed or was killed.
"""

import logging
import os
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

from PIL import Image

from whitepatch.figures import palette
from whitepatch.tracking import naming, store
from whitepatch.tracking.publishing import BATCH

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

LATE = 2.5
"""Seconds that an event has waited when its reporter is behind; half of what it has at the end."""


@dataclass
class Running:
    """A run that is being told of.

    Attributes:
        told: What is known of it, as `following` opens with it.
        run_id: In MLflow.
        params: Not sent yet.
        metrics: The same.
        panel: The newest that was not drawn yet: its epoch and maps.
    """

    told: Mapping[str, Any]
    run_id: str
    params: "list[Param]"
    metrics: "list[Metric]" = field(default_factory=list)
    panel: tuple[int, Mapping[str, Any]] | None = None


@dataclass
class Reporter:
    """Tells MLflow of cells, several of which may run at once.

    Attributes:
        about: `runs` by key and `panels` by experiment, as `following` opens with.
    """

    about: Mapping[str, Any]
    _client: "MlflowClient" = field(default_factory=store.client)
    _experiments: dict[str, str] = field(default_factory=dict)
    _running: dict[str, Running] = field(default_factory=dict)
    _monitor: "SystemMetricsMonitor | None" = None
    _watched: str = ""

    def __post_init__(self) -> None:
        told = self.about["runs"].values()
        for name in dict.fromkeys(run["experiment"] for run in told):
            titles = {run["title"]: None for run in told if run["experiment"] == name}
            tags = naming.experiment_tags(name, list(titles), [])
            self._experiments[name] = store.experiment(
                self._client, naming.experiment(name), tags, renew=False
            )

    def tell(self, events: Sequence[tuple[str, str, Any]], *, due: float = inf) -> int:
        """Tell MLflow of events: all numbers together, and one panel, of the newest maps.

        Args:
            events: In order.
            due: After this, as `time.monotonic()` has it, cells that begin and finish among them
                are passed over.

        Returns:
            How many are.
        """
        over = {key for key, what, _ in events if what == "finish"}
        passed = set()
        for key, what, content in events:
            if what == "begin" and key in over - self._running.keys() and time.monotonic() > due:
                passed.add(key)
            if key in passed:
                continue
            if what == "begin":
                self._begin(key)
                for row in content:
                    self._epoch(key, row)
            elif what == "epoch":
                self._epoch(key, content)
            elif what == "panel":
                self._running[key].panel = content
            else:
                self._send(self._running[key])
                self._end(key, "FINISHED")
        for running in self._running.values():
            self._send(running)
        self._watch()
        self._draw_one()
        return len(passed)

    def end(self, status: str) -> None:
        """End all runs that are not finished."""
        for key in list(self._running):
            self._end(key, status)

    def _epoch(self, key: str, row: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        self._running[key].metrics += [
            Metric(name, value, int(row["at"]), int(row["epoch"]))
            for name, value in row.items()
            if name not in ("epoch", "at")
        ]

    def _begin(self, key: str) -> None:
        from mlflow.entities import Param

        run = self.about["runs"][key]
        tags = run["tags"] | {store.KEY: run["key"], store.OWNER: store.clone()}
        tags["mlflow.runColor"] = palette.colour(run["tags"]["variant"])
        where = self._experiments[run["experiment"]]
        made = self._client.create_run(where, run_name=run["name"], tags=tags)
        params = [Param(name, str(value)) for name, value in run["params"].items()]
        self._running[key] = Running(run, str(made.info.run_id), params)

    def _watch(self) -> None:
        """Show the machine with one run at a time, for it is the same for all."""
        if self._monitor is None and self._running:
            from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

            self._watched = next(iter(self._running))
            run_id = self._running[self._watched].run_id
            self._monitor = SystemMetricsMonitor(run_id, tracking_uri=store.tracking_uri())
            self._monitor.start()

    def _end(self, key: str, status: str) -> None:
        running = self._running.pop(key)
        if self._monitor and self._watched == key:
            self._monitor.finish()
            self._monitor = None
        self._client.set_terminated(running.run_id, status)

    def _send(self, running: Running) -> None:
        while running.params or running.metrics:
            number = BATCH - len(running.params)
            some, running.metrics = running.metrics[:number], running.metrics[number:]
            self._client.log_batch(running.run_id, metrics=some, params=running.params)
            running.params = []

    def _draw_one(self) -> None:
        """Draw one panel; it takes long, and the others may be out of date by then."""
        for key, running in self._running.items():
            if running.panel:
                epoch, maps = running.panel
                drawn = self._drawn(running.told, maps)
                self._client.log_image(running.run_id, drawn, key="maps", step=epoch)
                running.panel = None
                self._running[key] = self._running.pop(key)  # the others first, next time
                return

    def _drawn(self, run: Mapping[str, Any], maps: Mapping[str, Any]) -> Image.Image:
        from whitepatch.figures import style
        from whitepatch.figures.panels import Panel, attention_panel

        panel, variant = Panel(**self.about["panels"][run["experiment"]]), run["tags"]["variant"]
        figure = attention_panel(
            panel,
            {variant: {f"map/{name}": values[None] for name, values in maps.items()}},
            [(variant, name, "") for name in maps],
            {variant: run["title"]},
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
        if passed := _tell(reporter, _batches()):
            print(store.late(passed), file=sys.stderr, flush=True)  # noqa: T201
    except Exception as error:
        print(store.untold(store.reason(error)), file=sys.stderr, flush=True)  # noqa: T201
        status = 1
    os._exit(status)  # no thread of MLflow's holds us


def _batches() -> "SimpleQueue[tuple[float, list[Any]] | None]":
    """Return a queue that fills with batches, and when each came; at the end None."""
    batches: SimpleQueue[tuple[float, list[Any]] | None] = SimpleQueue()

    def read() -> None:
        with suppress(EOFError):
            while True:
                batch = pickle.load(sys.stdin.buffer)  # noqa: S301
                batches.put((time.monotonic(), batch))
        batches.put(None)

    Thread(target=read, daemon=True).start()
    return batches


def _tell(reporter: Reporter, batches: "SimpleQueue[tuple[float, list[Any]] | None]") -> int:
    """Tell of batches until they end; return how many trainings were passed over."""
    ready, passed, ended = time.monotonic(), 0, False
    while not ended:
        waiting = [batches.get()]
        while not batches.empty():
            waiting.append(batches.get())
        ended = waiting[-1] is None
        events = [event for batch in filter(None, waiting) for event in batch[1]]
        came = waiting[0][0] if waiting[0] else inf
        passed += reporter.tell(events, due=max(came, ready) + LATE)
    reporter.end("FAILED")
    return passed


if __name__ == "__main__":
    main(int(sys.argv[1]))
