"""What dvc.lock says of our outputs, and what brings one back that is not so."""

__all__ = ["FROM_GIT", "LOCK", "Output", "digest", "inputs", "outputs", "read"]

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from whitepatch import dvc_config, programs
from whitepatch.errors import UserError

LOCK = Path("dvc.lock")

FROM_GIT = f"git checkout HEAD {LOCK}"
"""HEAD, because of a merge that has conflicts Git gives nothing otherwise."""


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

    def is_as_recorded(self) -> bool:
        """Read it, every byte, and compare; it must be here."""
        return digest(self.path) == self.md5

    def cure(self) -> str:
        """Return what brings it back: from Git or DVC's cache, whoever has it, or by making it."""
        if self._is_in_git():
            return f"git checkout {self.path}, or: dvc repro -f -s {self.stage}"
        if damaged := self.damaged():
            return f"so is DVC's cache: rm -rf {damaged} && dvc repro -f -s {self.stage}"
        if not _kept(self.md5).exists():
            return f"dvc repro -f -s {self.stage}"
        kept = f"rm -r {self.path} && dvc checkout {self.path}"
        return f"{kept}, or: dvc repro -f -s {self.stage}"

    def _is_in_git(self) -> bool:
        """Say whether Git would check out what is recorded, and not an older result."""
        with suppress(OSError), TemporaryDirectory() as folder:
            listed = subprocess.run(  # noqa: S603
                ["git", "ls-files", "-z", "--", str(self.path)],  # noqa: S607
                env=programs.environment(),
                capture_output=True,
                check=False,
            ).stdout
            command = ["git", "checkout-index", "-z", "--stdin", f"--prefix={folder}/"]
            subprocess.run(  # noqa: S603
                command,
                env=programs.environment(),
                input=listed,
                capture_output=True,
                check=False,
            )
            return digest(Path(folder) / self.path) == self.md5
        return False

    def damaged(self) -> str:
        """Return what DVC's cache has of it and is not so, as a shell takes paths; or nothing.

        A teammate who pulls would get that, and so would whoever lost the output.
        """
        return shlex.join(map(str, _damaged(self.md5)))


def read() -> dict[str, Any]:
    """Return what dvc.lock has of each stage, by its name; nothing if there is no dvc.lock.

    Raises:
        UserError: It cannot be read.
    """
    # here, because a machine that only trains (bench/full.py) need not have it
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    for pause in (0.1, 0.5, 2.0, None):
        try:
            if LOCK.exists() and not LOCK.is_file() and not LOCK.is_dir():
                raise ValueError("a pipe, or a device")
            text = LOCK.read_text(encoding="utf-8")
            return _whole(YAML(typ="safe", pure=True).load(text)["stages"])
        except FileNotFoundError:
            return {}
        except (YAMLError, RecursionError, AttributeError, KeyError, TypeError, ValueError):
            # another DVC may be writing it just now
            if pause is not None:
                time.sleep(pause)
    raise UserError(f"{LOCK} cannot be read; take it from Git: {FROM_GIT}")


def outputs(stages: dict[str, Any]) -> Iterator[Output]:
    """Yield every output that stages have made."""
    for stage, entry in stages.items():
        for out in entry.get("outs", []):
            yield Output(stage, Path(out["path"]), out["md5"])


def inputs(stages: dict[str, Any]) -> Iterator[Output]:
    """Yield every table of data/ that stages read and none makes, as the last of them read it."""
    made = {output.path for output in outputs(stages)}
    tables = {
        Path(dependency["path"]): Output(stage, Path(dependency["path"]), dependency["md5"])
        for stage, entry in stages.items()
        for dependency in entry.get("deps", [])
    }
    yield from (one for path, one in tables.items() if path.parts[0] == "data" and path not in made)


def digest(path: Path) -> str:
    """Return the MD5 sum by which DVC knows a file or a folder; nothing for what is neither."""
    if path.is_dir():
        listed = [
            {"md5": digest(file), "relpath": file.relative_to(path).as_posix()}
            for file in dvc_config.files(path)
        ]
        listed.sort(key=lambda entry: tuple(entry["relpath"].split("/")))
        return md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + ".dir"
    if path.exists() and not path.is_file():
        return ""  # a pipe would never end
    with path.open("rb") as file:
        return file_digest(file, lambda: md5(usedforsecurity=False)).hexdigest()


def _damaged(total: str) -> Iterator[Path]:
    """Yield what DVC's cache has under a sum, or under those of a folder's files, and is not so."""
    kept = _kept(total)
    if not kept.exists():
        return
    if kept.is_dir() or digest(kept) != total.removesuffix(".dir"):
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
