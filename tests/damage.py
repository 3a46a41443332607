"""Damage one file at random, and see that it is noticed and mended: `make damage`.

One attempt draws a file of the project in miniature, a damage and a command. The command may go
on, or end in a line; it must not end in a traceback, nor let any other result become another,
unless it says that it uses a file as it is. Then `dvc repro publish@tiny` and
`whitepatch verify --hashes` are asked, and each cure that they name is typed, until both are
content: every result, and every number in MLflow, must be what it was.
"""

import os
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from helpers.alone import alone
from helpers.project import miniature, published, results, run
from helpers.trials import try_again
from PIL import Image

ROOT = Path(__file__).parents[1]
KINDS = {
    "pictures": ("data/raw/**/*",),
    "split": ("data/split/*",),
    "weights": ("models/tiny/**/*",),
    "histories": ("reports/tiny/history/*",),
    "metrics": ("reports/tiny/metrics/*", "reports/summary/tiny/*"),
    "maps": ("reports/tiny/maps/*",),
    "pages": ("reports/tiny/*", "reports/tiny/figures/*", "reports/index.*"),
    "published numbers": ("data/published.csv",),
    "DVC's own": ("dvc.lock", "dvc.yaml", "params.yaml", ".dvc/config"),
    "DVC's cache": (".dvc/cache/files/**/*", ".dvc/cache/runs/**/*"),
    "MLflow's store": ("mlflow/mlflow.db",),
    "MLflow's receipts": ("mlflow/tiny.json",),
    "MLflow's artifacts": ("mlflow/artifacts/**/*",),
}
"""What is damaged: patterns of files."""

EDITED = ("published numbers", "DVC's own")
"""Files that people may edit: another number in them is no damage, if DVC can see it."""

PREDICT = ("whitepatch", "predict", "--experiment", "tiny", "--variant", "cnn", "picture.png")
STAGES = ("split tiny", "train tiny cnn", "evaluate tiny cnn", "report tiny", "compare")
COMMANDS = (
    ("dvc", "repro", "report@tiny"),
    ("dvc", "repro", "publish@tiny"),
    ("dvc", "repro", "compare"),
    ("dvc", "repro", "--force", "--single-item", "evaluate@tiny-cnn"),
    ("whitepatch", "publish"),
    ("whitepatch", "verify"),
    ("whitepatch", "verify", "--hashes"),
    ("whitepatch", "doctor"),
    PREDICT,
    *((sys.executable, "-m", f"whitepatch.stages.{stage}") for stage in STAGES),
)
BY_HAND = "used as it is, for DVC does not run this"
"""What a stage says that is run without DVC."""

CURE = re.compile(
    r"rm -rf [^&;\n]+ && dvc (?:repro -f -s|commit) \S+|rm -r \S+ && dvc checkout \S+"
    r"|(?:rm -r \S+ && )?git checkout (?:HEAD )?[^\s;,]+"
    r"|rm -r mlflow|dvc repro -f -s \S+|rm \.dvc/tmp/rwlock"
)
"""Whatever a message tells people to type."""

OURS = re.compile(r'^Traceback.*^  File "[^"]*src/whitepatch/', re.MULTILINE | re.DOTALL)
"""A traceback of ours; of damaged settings DVC has its own."""

IN_THE_WAY = re.compile(r"(\S+): Is a directory; .*move it away")
"""A folder that lies where a file must be."""


def damage(path: Path, how: str, random: Random) -> None:
    """Damage a file in one of the ways of `DAMAGES`."""
    times, content = path.stat(), bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
        return
    if how == "a folder":
        path.unlink()
        path.mkdir()
        return
    path.chmod(0o644)  # DVC protects its cache
    if "bit" in how and content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        path.write_bytes(content)
    elif how == "half":
        path.write_bytes(content[: len(content) // 2])
    elif how == "noise":
        path.write_bytes(random.randbytes(len(content)))
    else:
        path.write_bytes(b"")
    path.chmod(times.st_mode)
    if how == "a bit, unseen":
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


DAMAGES = ("empty", "half", "a bit", "a bit, unseen", "noise", "gone", "a folder")
SEEN = ("half", "a bit", "noise")
"""Damages of a file that people may edit which look like an edit."""


@dataclass
class Damage:
    """A project in miniature whose results are known, and what became of it.

    Attributes:
        folder: The project, everything made and committed.
        random: Draws files, damages and commands.
        count: Attempts by what came of them.
    """

    folder: Path
    random: Random
    count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        Image.new("RGB", (96, 96), "teal").save(self.folder / "picture.png")
        self._must("dvc", "repro", "publish@tiny")
        self._must("dvc", "repro", "compare")
        self._must(*PREDICT)
        self._must("git", "add", "--all")
        self._must("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all")
        self.before, self.told = results(self.folder), published(self.folder)
        self.lock = (self.folder / "dvc.lock").read_bytes()
        self.prediction = (self.folder / "prediction.png").read_bytes()

    def attempt(self, number: int) -> str:
        """Damage once, run a command, mend, and check; return what was done and what came of it.

        Raises:
            AssertionError: Something was shown, used or lost that should not have been.
        """
        kind = list(KINDS)[number % len(KINDS)]
        files = sorted(
            path
            for pattern in KINDS[kind]
            for path in self.folder.glob(pattern)
            if path.is_file() and path.name != ".gitignore"
        )
        path = self.random.choice(files)
        how = self.random.choice([d for d in DAMAGES if kind not in EDITED or d not in SEEN])
        command = self.random.choice(COMMANDS)
        command = (*command[:2], *command[2].split()) if "-m" in command else command
        name = str(path.relative_to(self.folder))
        what = f"{name}: {how}; {' '.join(map(str, command)).replace(sys.executable, 'python')}"
        self._must("dvc", "status", "publish@tiny")  # now DVC knows all files by size and time
        damage(path, how, self.random)
        status, said = run(self.folder, *command)
        outcome = self._judge(what, name, command, status, said)
        rounds = self._mend(what)
        self.count[outcome] += 1
        return f"{what}: {outcome}, {rounds} cures"

    def _judge(self, what: str, name: str, command: tuple[str, ...], status: int, said: str) -> str:
        assert not OURS.search(said), f"{what}: {said}"
        # DVC ends with 251 where its settings cannot be read
        assert status in (0, 1, 2, 251, 255), f"{what}: status {status}: {said}"
        after = results(self.folder)
        other = [
            one for one in after if one != name and after[one] != self.before.get(one, after[one])
        ]
        assert not other or BY_HAND in said, f"{what}: other bytes in {other}: {said}"
        if command == PREDICT and status == 0:
            drawn = (self.folder / "prediction.png").read_bytes()
            assert drawn == self.prediction, f"{what}: another prediction"
        if status != 0 and "verify" not in command and "doctor" not in command:
            last = said.strip().splitlines()[-1]
            assert len(said.strip()) > 20, f"{what}: status {status} without a word: {last}"
            return "refused"
        return "went on, by hand" if BY_HAND in said else "went on, or was reported"

    def _mend(self, what: str) -> int:
        typed: list[str] = []
        for _ in range(8):
            status, said = run(self.folder, "dvc", "repro", "publish@tiny")
            assert not OURS.search(said), f"{what}: {said}"
            if status == 0:
                status, said = run(self.folder, "dvc", "repro", "compare")
            if status == 0:
                status, said = run(self.folder, "whitepatch", "verify", "--hashes")
            if status == 0:
                break
            cures = CURE.findall(said) or self._documented()
            cures = [f"rm -r {path}" for path in IN_THE_WAY.findall(said)] or cures
            assert cures, f"{what}: no cure is named: {said}"
            fresh = [cure for cure in cures if cure not in typed]
            assert fresh, f"{what}: its cures did not help: {typed}: {said}"
            typed.append(fresh[0])
            status, answer = run(self.folder, "sh", "-c", fresh[0])
            assert "Traceback" not in answer, f"{what}: {fresh[0]}: {answer}"
        else:
            raise AssertionError(f"{what}: not mended by {typed}")
        after = results(self.folder)
        names = sorted(self.before.keys() | after.keys())
        other = [one for one in names if self.before.get(one) != after.get(one)]
        assert not other, f"{what}: other bytes in {other}, after {typed}"
        assert (self.folder / "dvc.lock").read_bytes() == self.lock, f"{what}: other dvc.lock"
        assert published(self.folder) == self.told, (
            f"{what}: other numbers in MLflow, after {typed}"
        )
        return len(typed)

    def _documented(self) -> list[str]:
        """Return cures where DVC names none, as docs/pipeline.md has them."""
        _, said = run(self.folder, "whitepatch", "verify", "--hashes")
        _, changed = run(self.folder, "git", "status", "--porcelain", *KINDS["DVC's own"])
        return [
            *CURE.findall(said),
            *(f"rm -rf {line[3:]} && git checkout {line[3:]}" for line in changed.splitlines()),
        ]

    def _must(self, *command: str) -> None:
        status, said = run(self.folder, *command)
        assert status == 0, said


def main(
    damages: Annotated[int, typer.Option(help="How many.", min=1)] = 60,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 2021,
) -> None:
    """Damage one file of the pipeline in miniature at random, and see it noticed and mended."""
    with tempfile.TemporaryDirectory() as temporary:
        alone(Path(temporary))
        folder = miniature(ROOT, Path(temporary).resolve() / "miniature")
        try_again(Damage(folder, Random(seed)), damages, seed)  # noqa: S311 -- no secret


if __name__ == "__main__":
    typer.run(main)
