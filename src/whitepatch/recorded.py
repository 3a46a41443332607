"""What dvc.lock says of our outputs, and whether they are still so, byte by byte.

DVC takes a file for unchanged if its size and time are, so it does not see a flipped bit, and would
hand it to the next stage. Each stage therefore reads what it builds on before it does anything.
"""

__all__ = [
    "FROM_GIT",
    "LOCK",
    "Output",
    "inputs",
    "is_as_recorded",
    "outputs",
    "refuse_mixture",
    "refuse_other",
]

import json
import shlex
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, md5
from pathlib import Path
from typing import Any

from whitepatch import dvc_config
from whitepatch.errors import UserError
from whitepatch.files import is_scratch

LOCK = Path("dvc.lock")

FROM_GIT = f"git checkout HEAD {LOCK}"
"""HEAD, because of a merge that has conflicts Git gives nothing otherwise."""

ORDER = ("fetch", "split", "train", "evaluate", "report", "publish", "compare")
"""Stages build on those before them."""


@dataclass(frozen=True)
class Output:
    """An output as dvc.lock has it.

    Attributes:
        stage: That made it, as DVC names it: `train@demo-cnn`.
        path: Of a file or a folder.
        md5: By which DVC knows it.
    """

    stage: str
    path: Path
    md5: str

    def cure(self) -> str:
        """Return what brings it back: from Git or DVC's cache, whoever has it, or by making it."""
        command = ["git", "ls-files", str(self.path)]
        with suppress(FileNotFoundError):
            asked = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
            if asked.stdout:
                return f"git checkout {self.path}, or: dvc repro -f -s {self.stage}"
        if damaged := self.damaged():
            return f"so is DVC's cache: rm -rf {damaged} && dvc repro -f -s {self.stage}"
        if not _kept(self.md5).exists():
            return f"dvc repro -f -s {self.stage}"
        kept = f"rm -r {self.path} && dvc checkout {self.path}"
        return f"{kept}, or: dvc repro -f -s {self.stage}"

    def damaged(self) -> str:
        """Return what DVC's cache has of it and is not so, as a shell takes paths; or nothing.

        A teammate who pulls would get that, and so would whoever lost the output.
        """
        return shlex.join(map(str, _damaged(self.md5)))


def outputs() -> Iterator[Output]:
    """Yield every output that dvc.lock has; none if there is no dvc.lock.

    Raises:
        UserError: It cannot be read.
    """
    return _outputs(_locked())


def inputs() -> Iterator[Output]:
    """Yield every table of data/ that stages read and none makes, as the last of them read it."""
    return _inputs(_locked())


def is_as_recorded(output: Output) -> bool:
    """Read an output that is here, every byte of it, and compare."""
    return _sum(output.path) == output.md5


def refuse_other(stage: str, *, and_made: bool = False) -> None:
    """See to it that what a stage builds on is what dvc.lock has; what is not here is no fault.

    Pictures are left to the split, which knows each by a digest of its bytes.

    Args:
        stage: As DVC names it.
        and_made: Whether what it has made itself is looked at, too.

    Raises:
        UserError: Something has changed behind DVC's back.
    """
    locked = _locked()
    reads = {dependency["path"] for dependency in locked.get(stage, {}).get("deps", [])}
    for output in _outputs(locked):
        if output.stage.startswith("fetch@") and reads and str(output.path) not in reads:
            continue  # another source's pictures
        if not (_builds_on(stage, output.stage) or (and_made and output.stage == stage)):
            continue
        if output.path.exists() and not is_as_recorded(output):
            raise UserError(f"{output.path} is not what {LOCK} has; {output.cure()}")
    for table in _inputs(locked):
        path = table.path
        if str(path) not in reads or not path.is_file() or is_as_recorded(table):
            continue
        if _is_taken_for_another(path):  # people may edit it, and then DVC sees so
            raise UserError(f"{path} is not what {LOCK} has; git checkout {path}")


def refuse_mixture(experiment: str, variants: Collection[str]) -> None:
    """See to it that the results of an experiment are of one piece.

    While a pipeline runs, new weights stand beside the evaluation of old ones.

    Args:
        experiment: Whose results.
        variants: That it has; DVC forgets nothing of others.

    Raises:
        UserError: A stage was last run on something else than what is recorded now.
    """
    made = {str(output.path): output.md5 for output in outputs()}
    for stage, entry in _locked().items():
        verb, _, subject = stage.partition("@")
        name, _, variant = subject.partition("-")
        shown = verb == "report" or (verb == "evaluate" and variant in variants)
        if name != experiment or not shown:
            continue
        for dependency in entry.get("deps", []):
            path = dependency["path"]
            if any(other.startswith(f"{path}/") for other in made):
                now = _sum(Path(path)) if Path(path).exists() else dependency["md5"]
            else:
                now = made.get(path, dependency["md5"])
            if now != dependency["md5"]:
                raise UserError(
                    f"{path} has changed since {stage} ran; "
                    f"let the pipeline finish, or: dvc repro report@{experiment}"
                )


def _outputs(locked: dict[str, Any]) -> Iterator[Output]:
    for stage, entry in locked.items():
        for out in entry.get("outs", []):
            yield Output(stage, Path(out["path"]), out["md5"])


def _inputs(locked: dict[str, Any]) -> Iterator[Output]:
    made = {output.path for output in _outputs(locked)}
    read = {
        Path(dependency["path"]): Output(stage, Path(dependency["path"]), dependency["md5"])
        for stage, entry in locked.items()
        for dependency in entry.get("deps", [])
    }
    yield from (one for path, one in read.items() if path.parts[0] == "data" and path not in made)


def _is_taken_for_another(path: Path) -> bool:
    """Say whether DVC knows a file, by its size and time, under a sum that it has no more."""
    from dvc.fs import LocalFileSystem  # takes seconds, and is seldom asked
    from dvc.repo import Repo

    with Repo() as repo:
        _, known = repo.state.get(str(path.absolute()), LocalFileSystem())
    return known is not None and known.value != _sum(path)


def _builds_on(stage: str, earlier: str) -> bool:
    verb, _, subject = stage.partition("@")
    before, _, other = earlier.partition("@")
    if verb not in ORDER or before not in ORDER or ORDER.index(before) >= ORDER.index(verb):
        return False
    if before in ("fetch", "publish"):
        # a source is not named as an experiment is; what publish writes, nobody reads
        return before == "fetch" and verb == "split"
    experiment, _, variant = subject.partition("-")
    its_experiment, _, its_variant = other.partition("-")
    if not subject:  # the overview shows what was evaluated, of every experiment
        return before in ("evaluate", "report")
    return experiment == its_experiment and (not variant or its_variant in ("", variant))


def _sum(path: Path) -> str:
    """Return the MD5 sum by which DVC knows a file or a folder."""
    if path.is_dir():
        listed = [
            {"md5": _sum(file), "relpath": file.relative_to(path).as_posix()}
            for file in path.rglob("*")
            if file.is_file() and file.name != ".gitignore" and not is_scratch(file)
        ]
        listed.sort(key=lambda entry: tuple(entry["relpath"].split("/")))
        return md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + ".dir"
    with path.open("rb") as file:
        return file_digest(file, lambda: md5(usedforsecurity=False)).hexdigest()


def _damaged(total: str) -> Iterator[Path]:
    """Yield what DVC's cache has under a sum, or under those of a folder's files, and is not so."""
    kept = _kept(total)
    if not kept.exists():
        return
    if kept.is_dir() or _sum(kept) != total.removesuffix(".dir"):
        yield kept
    elif total.endswith(".dir"):
        for entry in json.loads(kept.read_bytes()):
            yield from _damaged(entry["md5"])


def _kept(total: str) -> Path:
    """Return where DVC's cache has what has a sum."""
    return dvc_config.cache() / "files/md5" / total[:2] / total[2:]


def _whole(stages: dict[str, Any]) -> dict[str, Any]:
    """Return the stages of dvc.lock if they have the form that DVC gives them; else raise."""
    for stage, entry in stages.items():
        if not entry.keys() <= {"cmd", "deps", "params", "outs"}:
            raise ValueError(stage)
        for one in (*entry.get("deps", []), *entry.get("outs", [])):
            if not isinstance(one["path"], str) or not isinstance(one["md5"], str):
                raise ValueError(stage)
    return dict(stages)


def _locked() -> dict[str, Any]:
    # here, because a machine that only trains (bench/full.py) need not have it
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    for pause in (0.1, 0.5, 2.0, None):
        try:
            text = LOCK.read_text(encoding="utf-8")
            return _whole(YAML(typ="safe", pure=True).load(text)["stages"])
        except FileNotFoundError:
            return {}
        except (YAMLError, UnicodeDecodeError, AttributeError, TypeError, KeyError, ValueError):
            # another DVC may be writing it just now
            if pause is not None:
                time.sleep(pause)
    raise UserError(f"{LOCK} cannot be read; take it from Git: {FROM_GIT}")
