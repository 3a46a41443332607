"""The same thing again and again, on a project that must mend every time."""

import shutil
import sys
import tempfile
import time
from collections import Counter
from math import inf
from pathlib import Path
from typing import Protocol

from tqdm import tqdm


class Project(Protocol):
    """What is tried.

    Attributes:
        folder: Of the project.
        count: Attempts by what came of them.
    """

    folder: Path
    count: Counter[str]

    def attempt(self, number: int) -> str:
        """Try once; return what was done and what came of it, or raise AssertionError."""
        ...


def try_again(project: Project, number: int, seed: int, minutes: float = inf) -> None:
    """Try so many times, and say what came of it.

    The first attempt that fails ends the program with status 1, and keeps a copy of the project;
    so does time that is up.
    """
    end = time.monotonic() + minutes * 60
    for done in tqdm(range(number)):
        if time.monotonic() > end:
            sys.exit(f"{done} of {number} in {minutes:g} minutes; then time was up")
        try:
            tqdm.write(project.attempt(done))
        except AssertionError as failure:
            kept = Path(tempfile.mkdtemp()) / "miniature"
            shutil.copytree(project.folder, kept)
            sys.exit(f"LOST, with --seed {seed}, at {done}: {failure}\nkept: {kept}")
    for outcome, count in project.count.most_common():
        tqdm.write(f"{count:4} {outcome}")
