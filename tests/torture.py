"""Kill the pipeline in miniature at random, and see it mend: `make torture`.

One attempt lets DVC forget a stage and run it, or in every other forces it to, waits a drawn time,
and sends a drawn signal to the stage, to DVC, or to both as Ctrl-C does. Then
`dvc repro report@tiny` must give every result byte for byte, and leave nothing behind. It may be
refused while an orphan goes on, in a line that names its process; then it must succeed when that
has ended. It may be refused for a file of DVC's own that the kill hit; then the cure that the docs
name must help. What was forced DVC mends from its cache, and runs no code of ours that could tidy
up; the next stage that runs does, here the overview. A killed overview, or MLflow's store that was
being filled, is mended by asking for it again; every number must be there, once.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated

import psutil
import typer
from helpers.alone import alone
from helpers.project import environment, load, miniature, published, results, run
from helpers.trials import try_again
from ruamel.yaml import YAML

from whitepatch.files import is_scratch

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
    "publish@tiny",
    "compare",
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("stage", "DVC", "both")
SHELLS = tuple(shell for shell in ("/bin/bash", "/bin/sh") if Path(shell).exists())
"""By which DVC starts stages: the one makes room for them, the other may stay between the two."""

MEND = ("dvc", "repro", "report@tiny")
PUBLISH = ("dvc", "repro", "publish@tiny")
TIDY = ("dvc", "repro", "compare")
BESIDE = {"publish@tiny": PUBLISH, "compare": TIDY}
"""What mends a stage on which the report does not depend."""

BUSY = "is running already, as process"
"""What a stage says that comes second."""

DVCS_OWN = ("dvc.lock", ".dvc/tmp/rwlock", "rwlock")
"""Files that DVC writes, and not always whole."""

WAIT = 120.0
"""Seconds in which whatever was killed, or left behind, must have ended."""


@dataclass
class Torture:
    """A project in miniature whose results are known, and what became of it.

    Attributes:
        folder: The project, everything made.
        random: Draws stages, victims, signals and moments.
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
        status, said = run(self.folder, *TIDY)
        assert status == 0, said
        self.before, self.told = results(self.folder), published(self.folder)
        self.lock = load(self.folder / "dvc.lock")

    def attempt(self, number: int) -> str:
        """Kill once, mend, and check; return what was done and how it ended.

        Raises:
            AssertionError: Something was lost, differs, or was left behind.
        """
        stage, victim, how = (
            STAGES[number % len(STAGES)],
            self.random.choice(VICTIMS),
            self.random.choice(SIGNALS),
        )
        forced = number % 2 == 1
        killed = False
        while not killed:
            moment = self.random.uniform(0, self.longest.get(stage, 6.0))
            killed = self._kill(stage, victim, how, moment, forced=forced)
        what = f"{stage}{' forced' if forced else ''}: {how.name} to {victim} after {moment:.1f} s"
        verdict = self._mend(what, MEND)
        if stage in BESIDE:
            verdict = max(verdict, self._mend(what, BESIDE[stage]), key=len)
        self._check(what, forced=forced)
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
        if stage == "publish@tiny":  # or it would have nothing to do
            shutil.rmtree(self.folder / "mlflow")
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment(self.folder) | {"SHELL": self.random.choice(SHELLS)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as dvc:
            # DVC itself may be hit before, while and after its stage runs
            began = time.monotonic()
            running = self._stage_of(dvc) if victim != "DVC" else None
            if running:
                began = time.monotonic()
            else:
                moment *= 1.5
            while dvc.poll() is None and time.monotonic() - began < moment:
                time.sleep(0.01)
            if dvc.poll() is not None or (running and not running.is_running()):
                dvc.wait()
                self.longest[stage] = min(
                    self.longest.get(stage, 60.0), max(time.monotonic() - began, 0.1)
                )
                return False
            if running:
                running.send_signal(how)
            if victim != "stage":
                dvc.send_signal(how)
            dvc.wait(WAIT)
        return True

    def _forget(self, stage: str) -> None:
        """Let DVC forget that a stage has ever run, so that nothing but running it will do."""
        shutil.rmtree(self.folder / ".dvc/cache/runs", ignore_errors=True)
        left = {name: entry for name, entry in self.lock["stages"].items() if name != stage}
        YAML().dump(self.lock | {"stages": left}, self.folder / "dvc.lock")

    def _stage_of(self, dvc: "subprocess.Popen[bytes]") -> psutil.Process | None:
        """Return the stage's own process as soon as there is one; None if DVC ends before."""
        while dvc.poll() is None:
            for child in self._processes():
                if child.name().startswith("python") and "whitepatch.stages" in str(
                    child.cmdline()
                ):
                    return child
            time.sleep(0.02)
        return None

    def _processes(self) -> list[psutil.Process]:
        """Return what runs in the project's folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                pass
        return found

    def _mend(self, what: str, command: tuple[str, ...]) -> str:
        verdict = "mended"
        status, said = run(self.folder, *command)
        if status != 0 and BUSY in said:
            (line,) = [line for line in said.splitlines() if BUSY in line]
            number = int(line.partition(BUSY)[2].split(";")[0])
            assert psutil.pid_exists(number) or not self._processes(), f"{what}: {line}"
            verdict = "mended, after an orphan was named and had ended"
            self._wait_for_orphans(what)
            status, said = run(self.folder, *command)
        if status != 0 and any(name in said for name in DVCS_OWN):
            verdict = "mended by the cure for a file of DVC's own"
            YAML().dump(self.lock, self.folder / "dvc.lock")  # as git checkout HEAD dvc.lock
            (self.folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)
            status, said = run(self.folder, *command)
        assert status == 0, f"{what}: {said}"
        assert "Traceback" not in said, f"{what}: {said}"
        self._wait_for_orphans(what)
        return verdict

    def _wait_for_orphans(self, what: str) -> None:
        deadline = time.monotonic() + WAIT
        while left := self._processes():
            assert time.monotonic() < deadline, f"{what}: still running: {left}"
            time.sleep(0.1)

    def _check(self, what: str, *, forced: bool) -> None:
        after = results(self.folder)
        different = [
            name
            for name in sorted(self.before.keys() | after.keys())
            if self.before.get(name) != after.get(name)
        ]
        assert not different, f"{what}: other bytes in {different}"
        assert load(self.folder / "dvc.lock") == self.lock, f"{what}: other dvc.lock"
        left = []
        if forced:
            status, said = run(self.folder, *TIDY)
            assert status == 0, f"{what}: {said}"
            assert results(self.folder) == self.before, f"{what}: another overview"
            for path in (self.folder / "checkpoints").glob("[!.]*.safetensors"):
                path.unlink()  # of a training that DVC did not need to finish
        left += (self.folder / "checkpoints").glob("*")
        assert published(self.folder) == self.told, f"{what}: other numbers in MLflow"
        for place in ("data", "models", "reports", "mlflow"):
            left += [path for path in (self.folder / place).rglob(".*") if is_scratch(path)]
        assert not left, f"{what}: left behind: {left}"


def main(
    kills: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 2021,
    minutes: Annotated[float, typer.Option(help="No attempt is begun after these.")] = 45,
) -> None:
    """Kill the pipeline in miniature at random, and see it mend."""
    with tempfile.TemporaryDirectory() as temporary:
        alone(Path(temporary))
        folder = miniature(ROOT, Path(temporary).resolve() / "miniature")
        status, said = run(folder, *PUBLISH)
        if status != 0:
            sys.exit(said)
        try_again(Torture(folder, Random(seed)), kills, seed, minutes)  # noqa: S311 -- no secret


if __name__ == "__main__":
    typer.run(main)
