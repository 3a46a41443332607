"""Are the results here the ones that were recorded? Byte by byte, and number by number.

DVC takes a file for unchanged if its size and time are, so it does not see a flipped bit; `hashes`
reads every byte. Another kind of processor changes the last digits, and training makes them more;
`numbers` says whether a rebuild is still the same result.
"""

__all__ = ["Finding", "hashes", "numbers"]

import io
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from whitepatch import params, paths
from whitepatch.errors import UserError
from whitepatch.recorded import FROM_GIT, LOCK, inputs, is_as_recorded, outputs

ROUNDING = 1e-6
"""Relative difference that is put down to rounding."""


NUMBERS = ("mean", "min", "max")
"""Columns that are compared."""


@dataclass(frozen=True)
class Finding:
    """What is to be said of a file, or of a number.

    Attributes:
        what: Its path, or its name.
        good: Whether it will do.
        words: How it stands.
    """

    what: str
    good: bool
    words: str


def hashes() -> Iterator[Finding]:
    """Compare every output that is here with its sum in dvc.lock; those that are not are no fault.

    What DVC's cache has of them is compared, too: from there it goes to teammates.
    data/published.csv is compared, too, and must be here: no stage makes it. What
    `whitepatch publish` writes is left out: it renews its receipts without DVC.

    Raises:
        UserError: There is no dvc.lock, it cannot be read, or it has no outputs.
    """
    if not LOCK.exists():
        raise UserError(f"{LOCK} is not here; run this from the project's root")
    made, read = list(outputs()), list(inputs())
    if not made:
        raise UserError(f"{LOCK} has no outputs; take it from Git: {FROM_GIT}")
    for output in [*made, *read]:
        path = output.path
        if path.is_relative_to(paths.MLFLOW):
            continue
        if path.exists() and not is_as_recorded(output):
            good, words = False, f"is not what {LOCK} has; {output.cure()}"
        elif damaged := output.damaged():
            # what is here goes into the cache again
            mends = "dvc commit -f" if path.exists() else "dvc repro -f -s"
            good = False
            words = f"is damaged in DVC's cache; rm -rf {damaged} && {mends} {output.stage}"
        elif path.exists():
            good, words = True, "as recorded"
        else:  # a stage makes it again, or a teammate has it
            good = output in made
            words = "not here" if good else f"is not here; git checkout {path}"
        yield Finding(str(path), good, words)


def numbers(experiment: str, revision: str = "HEAD") -> Iterator[Finding]:
    """Compare the means of a rebuild with those that Git has.

    A mean is the same if it differs by rounding, and still good if it lies where single seeds of
    the recorded results lie, between the least and the most. Whatever else is another result.

    Args:
        experiment: Whose comparison.csv.
        revision: Of Git, that has the recorded one.

    Raises:
        UserError: There is no such experiment, one of the two tables is missing or damaged, or
            they have not the same rows.
    """
    params.load().experiment(experiment)
    path = paths.report(experiment) / "comparison.csv"
    if not path.exists():
        raise UserError(f"{path} is not here; make it: dvc repro report@{experiment}")
    here = _rows(path.read_bytes(), f"{path}; make it again: dvc repro -f -s report@{experiment}")
    there = _rows(_committed(path, revision), f"{path} in {revision}; name another revision")
    if here.keys() != there.keys():
        raise UserError(f"{path} has other variants or measures than in {revision}")
    for name, recorded in there.items():
        rebuilt = here[name]["mean"]
        difference = abs(rebuilt - recorded["mean"])
        span = f"{recorded['min']:.6g} to {recorded['max']:.6g}"
        values = f"{rebuilt:.6g}, recorded {recorded['mean']:.6g}"
        if difference <= ROUNDING * abs(recorded["mean"]):
            words, good = f"the same: {values}", True
        elif recorded["min"] <= rebuilt <= recorded["max"]:
            words, good = f"within the recorded seeds ({span}): {values}", True
        else:
            words, good = f"outside the recorded seeds ({span}): {values}", False
        yield Finding(name, good, words)


def _rows(content: bytes, where: str) -> dict[str, dict[str, float]]:
    try:
        return {
            f"{row['variant']} {row['measure']}": {key: float(row[key]) for key in NUMBERS}
            for row in pd.read_csv(io.BytesIO(content)).to_dict("records")
        }
    except (KeyError, TypeError, ValueError):  # pandas' own errors are of these
        raise UserError(f"this is no table of results: {where}") from None


def _committed(path: Path, revision: str) -> bytes:
    try:
        return subprocess.run(  # noqa: S603
            ["git", "show", f"{revision}:./{path.as_posix()}"],  # noqa: S607 -- whichever Git people have
            capture_output=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        raise UserError("Git is not here, and it has what was recorded") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[0]
        raise UserError(f"Git has no {path} in {revision} ({reason})") from None
