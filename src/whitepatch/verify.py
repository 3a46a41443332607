"""Are the results here the ones that were recorded? Byte by byte, and number by number.

DVC takes a file for unchanged if its size and time are, so it does not see a flipped bit; `hashes`
reads every byte. Another kind of processor changes the last digits, and training makes them more;
`numbers` says whether a rebuild is still the same result.
"""

__all__ = ["Finding", "hashes", "numbers"]

import io
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest, md5
from pathlib import Path
from typing import Any

import pandas as pd

from whitepatch import paths
from whitepatch.errors import UserError

LOCK = Path("dvc.lock")

ROUNDING = 1e-6
"""Relative difference that is put down to rounding."""


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

    What `whitepatch publish` writes is left out: it renews its receipts without DVC.

    Raises:
        UserError: There is no dvc.lock, or it cannot be read.
    """
    for stage, entry in _locked().items():
        for out in entry.get("outs", []):
            path = Path(out["path"])
            if path.is_relative_to(paths.MLFLOW):
                continue
            if not path.exists():
                yield Finding(str(path), True, "not here")
            elif _sum(path) == out["md5"]:
                yield Finding(str(path), True, "as recorded")
            else:
                cure = f"rm -r {path} && dvc checkout {path}, or: dvc repro -f -s {stage}"
                yield Finding(str(path), False, f"is not what dvc.lock has; {cure}")


def _sum(path: Path) -> str:
    """Return the MD5 sum by which DVC knows a file or a folder."""
    if path.is_dir():
        listed = [
            {"md5": _sum(file), "relpath": file.relative_to(path).as_posix()}
            for file in path.rglob("*")
            if file.is_file() and file.name != ".gitignore"
        ]
        listed.sort(key=lambda entry: tuple(entry["relpath"].split("/")))
        return md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + ".dir"
    with path.open("rb") as file:
        return file_digest(file, lambda: md5(usedforsecurity=False)).hexdigest()


def numbers(experiment: str, revision: str = "HEAD") -> Iterator[Finding]:
    """Compare the means of a rebuild with those that Git has.

    A mean is the same if it differs by rounding, and still good if it lies where single seeds of
    the recorded results lie, between the least and the most. Whatever else is another result.

    Args:
        experiment: Whose comparison.csv.
        revision: Of Git, that has the recorded one.

    Raises:
        UserError: One of the two is missing, or they have not the same rows.
    """
    path = paths.report(experiment) / "comparison.csv"
    if not path.exists():
        raise UserError(f"{path} is not here; make it: dvc repro report@{experiment}")
    here = _rows(pd.read_csv(path))
    there = _rows(pd.read_csv(io.BytesIO(_committed(path, revision))))
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


def _rows(table: pd.DataFrame) -> dict[str, Any]:
    return {f"{row['variant']} {row['measure']}": row for row in table.to_dict("records")}


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


def _locked() -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = YAML(typ="safe", pure=True).load(LOCK.read_text(encoding="utf-8"))["stages"]
    except FileNotFoundError:
        raise UserError(f"{LOCK} is not here; run this from the project's root") from None
    except (YAMLError, UnicodeDecodeError, TypeError, KeyError):
        raise UserError(f"{LOCK} cannot be read; take it from Git: git checkout {LOCK}") from None
    return dict(stages)
