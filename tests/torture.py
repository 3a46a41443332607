"""Kill the pipeline in miniature at random, and see it mend: `make torture`.

One attempt lets DVC forget a stage and run it, or in every other forces it to, waits a drawn time,
and sends a drawn signal to the stage, to DVC, or to both as Ctrl-C does. The stage must end with
DVC. Then `dvc repro report@tiny` must give every result byte for byte. It may be refused for a file
of DVC's own that the kill hit; then the cure that docs/pipeline.md names must help.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from typing import Annotated

import psutil
import typer
from helpers.alone import alone
from helpers.project import cells, environment, load, miniature, results, run
from helpers.trials import try_again
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
STAGES = (
    "fetch@photos",
    "split@tiny",
    *(
        f"{stage}@tiny-{variant}"
        for variant in ("cnn", "mha_linear_tokens", "cbam_spatial")
        for stage in ("train", "evaluate")
    ),
    "report@tiny",
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("stage", "DVC", "both")
MEND = ("dvc", "repro", "report@tiny")
DVCS_OWN = ("dvc.lock", "rwlock")
"""Files that DVC writes, and not always whole."""

BEGUN = 1.0
"""Seconds of computing after which a stage knows its parent."""

GRACE = 60.0
"""Seconds in which a stage must have ended after DVC; it looks as soon as all is imported."""


def stage_of(dvc: "subprocess.Popen[str]") -> psutil.Process | None:
    """Return the process of the stage that DVC runs, its child; None if DVC ends before."""
    while dvc.poll() is None:
        for child in psutil.Process(dvc.pid).children():
            try:
                if "whitepatch.stages" in " ".join(child.cmdline()):
                    return child
            except psutil.NoSuchProcess:
                pass
        time.sleep(0.01)
    return None


def computed(process: psutil.Process) -> float:
    """Return for how many seconds a process has computed; infinity if it has ended."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        pass
    return inf


@dataclass
class Torture:
    """A project in miniature whose results are known, and what became of it.

    Attributes:
        folder: The project, everything made.
        random: Draws victims, signals and moments.
        longest: Seconds that a stage was seen to run.
        count: Attempts by verdict.
    """

    folder: Path
    random: Random
    longest: dict[str, float] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        # a shell that starts us in the background has it ignored, and so would all we start
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.before, self.lock = results(self.folder), load(self.folder / "dvc.lock")

    def attempt(self, number: int) -> str:
        """Kill once, mend, and check; return what was done and how it ended.

        Raises:
            AssertionError: Something was lost, differs, or goes on.
        """
        stage, forced = STAGES[number % len(STAGES)], number % 2 == 1
        victim, how = self.random.choice(VICTIMS), self.random.choice(SIGNALS)
        killed = False
        while not killed:
            shutil.rmtree(cells(self.folder), ignore_errors=True)
            moment = self.random.uniform(0, self.longest.get(stage, 6.0))
            killed = self._kill(stage, victim, how, moment, forced=forced)
        what = f"{stage}{' forced' if forced else ''}: {how.name} to {victim} after {moment:.1f} s"
        verdict = self._mend(what)
        assert results(self.folder) == self.before, f"{what}: other bytes"
        assert load(self.folder / "dvc.lock") == self.lock, f"{what}: other dvc.lock"
        self.count[verdict] += 1
        return f"{what}: {verdict}"

    def _kill(
        self, stage: str, victim: str, how: signal.Signals, moment: float, *, forced: bool
    ) -> bool:
        """Run a stage and kill it; False if it had ended before."""
        command = ["dvc", "repro", "--single-item", stage]
        if forced:
            command.append("--force")
        else:
            self._forget(stage)
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment(self.folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        ) as dvc:
            running = stage_of(dvc)
            while running and computed(running) < BEGUN:
                time.sleep(0.01)
            began = time.monotonic()
            while dvc.poll() is None and time.monotonic() - began < moment:
                time.sleep(0.01)
            if running is None or dvc.poll() is not None or not running.is_running():
                dvc.wait()
                self.longest[stage] = max(time.monotonic() - began, 0.1)
                return False
            if victim != "DVC":
                running.send_signal(how)
            if victim != "stage":
                dvc.send_signal(how)
            dvc.wait()
        deadline = time.monotonic() + GRACE
        while computed(running) < inf:
            assert time.monotonic() < deadline, f"{stage}: {how.name} to {victim}: it goes on"
            time.sleep(0.01)
        return True

    def _forget(self, stage: str) -> None:
        """Let DVC forget that a stage has ever run, so that nothing but running it will do."""
        shutil.rmtree(self.folder / ".dvc/cache/runs", ignore_errors=True)
        left = {name: entry for name, entry in self.lock["stages"].items() if name != stage}
        YAML().dump(self.lock | {"stages": left}, self.folder / "dvc.lock")

    def _mend(self, what: str) -> str:
        verdict = "mended"
        status, said = run(self.folder, *MEND)
        if status != 0 and any(name in said for name in DVCS_OWN):
            verdict = "mended by the cure for a file of DVC's own"
            YAML().dump(self.lock, self.folder / "dvc.lock")  # as git checkout HEAD dvc.lock
            (self.folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)
            status, said = run(self.folder, *MEND)
        assert status == 0, f"{what}: {said}"
        assert "Traceback" not in said, f"{what}: {said}"
        return verdict


def main(
    kills: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 2021,
    minutes: Annotated[float, typer.Option(help="No attempt is begun after these.")] = 45,
) -> None:
    """Kill the pipeline in miniature at random, and see it mend."""
    with tempfile.TemporaryDirectory() as temporary:
        alone(Path(temporary))
        folder = miniature(ROOT, Path(temporary).resolve() / "miniature")
        status, said = run(folder, *MEND)
        if status != 0:
            sys.exit(said)
        try_again(Torture(folder, Random(seed)), kills, seed, minutes)  # noqa: S311 -- no secret


if __name__ == "__main__":
    typer.run(main)
