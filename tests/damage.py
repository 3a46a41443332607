"""Damage one file at random, and see that `make verify` notices it: `make damage`.

One attempt draws a file of the project in miniature and a damage. `make verify` must name it, and
what docs/pipeline.md says then must bring back every result, byte for byte.
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from helpers.alone import alone
from helpers.project import load, miniature, results, run
from helpers.trials import try_again

ROOT = Path(__file__).parents[1]
KINDS = {
    "pictures": "data/raw/**/*",
    "split": "data/split/*",
    "weights": "models/tiny/**/*",
    "histories": "reports/tiny/history/*",
    "metrics": "reports/tiny/metrics/*",
    "summaries": "reports/summary/tiny/*",
    "maps": "reports/tiny/maps/*",
    "pages": "reports/tiny/*",
    "figures": "reports/tiny/figures/*",
    "published numbers": "data/published.csv",
    "DVC's cache": ".dvc/cache/files/**/*",
}
"""What is damaged: patterns of files."""

DAMAGES = ("empty", "half", "a bit", "a bit, unseen", "noise", "gone")
VERIFY = ("make", "--no-print-directory", "-o", "setup", "RUN=", "verify")


def damage(path: Path, how: str, random: Random) -> None:
    """Damage a file in one of the ways of `DAMAGES`; unseen: its size and time stay."""
    times, content = path.stat(), bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
        return
    path.chmod(0o644)  # DVC protects its cache
    if "bit" in how and content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    elif how == "noise":
        content = bytearray(random.randbytes(len(content)))
    else:
        content = content[: len(content) // 2 if how == "half" else 0]
    path.write_bytes(content)
    path.chmod(times.st_mode)
    if "unseen" in how:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@dataclass
class Damage:
    """A project in miniature whose results are known, and what became of it.

    Attributes:
        folder: The project, everything made.
        random: Draws files and damages.
        count: Attempts by what came of them.
    """

    folder: Path
    random: Random
    count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        shutil.copy(ROOT / "Makefile", self.folder)
        self._must("git", "add", "--all")
        self._must("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all")
        self.before, self.lock = results(self.folder), load(self.folder / "dvc.lock")
        self._must(*VERIFY)

    def attempt(self, number: int) -> str:
        """Damage once, ask, mend, and check; return what was done and what came of it.

        Raises:
            AssertionError: The damage was not noticed, or something was lost.
        """
        kind = list(KINDS)[number % len(KINDS)]
        files = sorted(
            path
            for path in self.folder.glob(KINDS[kind])
            if path.is_file() and path.name != ".gitignore" and path.stat().st_size
        )
        path, how = self.random.choice(files), self.random.choice(DAMAGES)
        what = f"{path.relative_to(self.folder)}: {how}"
        self._must("dvc", "status", "report@tiny")  # now DVC knows all files by size and time
        damage(path, how, self.random)
        status, said = run(self.folder, *VERIFY)
        # what is not here is no damage, for not every clone has all
        outcome = "noticed" if status != 0 else "not here"
        assert outcome == "noticed" or how == "gone", f"{what}: not noticed: {said}"
        self._mend(what)
        assert results(self.folder) == self.before, f"{what}: other bytes"
        assert load(self.folder / "dvc.lock") == self.lock, f"{what}: other dvc.lock"
        self.count[outcome] += 1
        return f"{what}: {outcome}"

    def _mend(self, what: str) -> None:
        with tempfile.TemporaryDirectory() as fresh:
            env = {"DVC_SITE_CACHE_DIR": fresh}
            self._must("git", "checkout", "data/published.csv")
            self._must("dvc", "repro", "report@tiny", env=env)
        status, said = run(self.folder, *VERIFY)
        assert status == 0, f"{what}: not mended: {said}"

    def _must(self, *command: str, **how: dict[str, str]) -> None:
        status, said = run(self.folder, *command, **how)
        assert status == 0, said


def main(
    damages: Annotated[int, typer.Option(help="How many.", min=1)] = 60,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 2021,
) -> None:
    """Damage one file of the pipeline in miniature at random, and see it noticed and mended."""
    with tempfile.TemporaryDirectory() as temporary:
        alone(Path(temporary))
        folder = miniature(ROOT, Path(temporary).resolve() / "miniature")
        status, said = run(folder, "dvc", "repro", "report@tiny")
        if status != 0:
            sys.exit(said)
        try_again(Damage(folder, Random(seed)), damages, seed)  # noqa: S311 -- no secret


if __name__ == "__main__":
    typer.run(main)
