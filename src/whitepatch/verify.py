"""Are the numbers of a rebuild the recorded ones? Of bytes DVC knows: `make verify`.

Another kind of processor changes the last digits, and training makes of them as much as of another
seed; `numbers` says whether a rebuild is still the same result.
"""

__all__ = ["Finding", "numbers"]

import io
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from whitepatch import params, paths, programs
from whitepatch.errors import UserError

ROUNDING = 1e-6
"""Relative difference that is put down to rounding."""

ALPHA = 0.01
"""Chance that of a rebuild that differs by luck alone any number is called another result."""

COLUMNS = ("num_seeds", "mean", "std")
"""Of a number, that are read."""


@dataclass(frozen=True)
class Finding:
    """What is to be said of a number.

    Attributes:
        what: Its name.
        good: Whether it will do.
        words: How it stands.
    """

    what: str
    good: bool
    words: str


def numbers(experiment: str, revision: str = "HEAD") -> Iterator[Finding]:
    """Compare the means of a rebuild with those that Git has.

    A mean is the same if it differs by rounding, and still good if it differs by no more than the
    means of other seeds would. Whatever else is another result.

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
    here = _table(path.read_bytes(), f"{path}; make it again: dvc repro -f -s report@{experiment}")
    there = _table(_committed(path, revision), f"{path} in {revision}; name another revision")
    if set(here.index) != set(there.index):
        raise UserError(f"{path} has other variants or measures than in {revision}")
    both = pd.DataFrame({"then": there["mean"], "now": here["mean"], "luck": _luck(there, here)})
    for name, recorded, rebuilt, luck in both.itertuples(name=None):
        difference = abs(rebuilt - recorded)
        values = f"{rebuilt:.6g}, recorded {recorded:.6g}"
        if difference <= ROUNDING * abs(recorded):
            words, good = f"the same: {values}", True
        elif difference <= luck:
            words, good = f"within what seeds differ by (± {luck:.2g}): {values}", True
        else:
            words, good = f"another result, by more than seeds (± {luck:.2g}): {values}", False
        yield Finding(f"{experiment}: {name}", good, words)


def _luck(there: pd.DataFrame, here: pd.DataFrame) -> "pd.Series[float]":
    """Return by how much each mean may differ by luck: half a prediction interval of t.

    A few seeds say little of their own spread, so that of all variants counts, too: the larger of
    the two. One seed says nothing; then only rounding is luck.
    """
    from scipy.stats import t  # takes a second

    by_measure = there.groupby("measure")
    pooled = by_measure["std"].transform(lambda stds: float(np.sqrt((stds**2).mean())))
    degrees = by_measure["num_seeds"].transform(lambda seeds: float((seeds - 1).sum()))
    spread = np.maximum(there["std"], pooled)
    quantile = t.ppf(1 - ALPHA / 2 / len(there), degrees)
    several = np.sqrt(1 / there["num_seeds"] + 1 / here["num_seeds"].reindex(there.index))
    return (quantile * spread * several).fillna(0.0)


def _table(content: bytes, where: str) -> pd.DataFrame:
    """Return `measure` and `COLUMNS` by the name of a number."""
    try:
        table = pd.read_csv(io.BytesIO(content))
        table = table.set_index(table["variant"] + " " + table["measure"])
        table = table[["measure", *COLUMNS]].astype(dict.fromkeys(COLUMNS, float))
    except (KeyError, TypeError, ValueError):  # pandas' own errors are of these
        table = pd.DataFrame()
    if table.empty or not table.index.is_unique:
        raise UserError(f"this is no table of results: {where}")
    return table


def _committed(path: Path, revision: str) -> bytes:
    try:
        return subprocess.run(  # noqa: S603
            ["git", "show", f"{revision}:./{path.as_posix()}"],  # noqa: S607 -- whichever Git people have
            env=programs.environment(),
            capture_output=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        raise UserError("Git is not here, and it has what was recorded") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[0]
        raise UserError(f"Git has no {path} in {revision} ({reason})") from None
