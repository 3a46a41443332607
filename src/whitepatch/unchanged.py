"""What a stage reads stays as it is while the stage runs.

DVC writes down what a stage was made from when the stage has ended, not when it began. Whoever
edits params.yaml or code in between would find the old result recorded as what the new text gives
(https://github.com/treeverse/dvc/issues/11058), and so would every teammate, by the run-cache.
"""

__all__ = ["refuse_changed", "refuse_touched", "remember"]

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Self

from whitepatch import dvc_config, paths, plain_yaml
from whitepatch.errors import UserError
from whitepatch.processes import dependencies, stage


@dataclass(frozen=True)
class _File:
    """A file that the stage reads, as it was.

    Attributes:
        stamp: Changes with whatever is written to it.
        digest: Of its bytes; a file that is only touched is the same.
    """

    stamp: tuple[int, ...]
    digest: str

    @classmethod
    def of(cls, path: Path, before: Self | None = None) -> Self:
        """Look at a file; one that nobody wrote to since `before` is not read again."""
        found = path.stat()
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if before is not None and before.stamp == stamp:
            return before
        with path.open("rb") as file:
            return cls(stamp, file_digest(file, "sha256").hexdigest())


CODE = Path("src/whitepatch")
"""Of the project that DVC looks at."""

PACKAGE = Path(__file__).parent
"""That Python imports."""

_seen: dict[Path, _File] = {}
"""Every file that DVC says the stage of this process reads, by its path in the project."""

_params: list[bytes] = []
"""What params.yaml was, of which only some keys may be of the stage."""


def remember() -> None:
    """Look at what DVC says this stage reads; a process that DVC did not start reads nothing.

    Raises:
        UserError: The code that runs is not the code that DVC would record.
    """
    _seen.clear()
    _seen.update({path: _File.of(path) for path in _files()})
    for path, file in _seen.items():
        if path.is_relative_to(CODE):
            # the environment may be another clone's
            runs = PACKAGE / path.relative_to(CODE)
            if not runs.is_file() or _File.of(runs).digest != file.digest:
                raise UserError(
                    f"{path} is not what runs, and DVC would record it all the same: the package "
                    f"comes from {PACKAGE}; make setup here, or: export PYTHONPATH={CODE.parent}"
                )
    _params[:] = [paths.PARAMS.read_bytes()] if paths.PARAMS in _seen else []


def refuse_touched() -> None:
    """See to it that nobody wrote to what was remembered: called when all code is imported.

    Afterwards code may be another and the same again, and that does not matter.

    Raises:
        UserError: A file may have been another when it was read.
    """
    for path, before in _seen.items():
        if path == paths.PARAMS:  # what is read of it is compared
            continue
        # the last of a stamp changes with links to it, too, which DVC makes
        if not path.exists() or _File.of(path, before).stamp[:-1] != before.stamp[:-1]:
            raise UserError(f"{path} was written to while this started; run dvc repro again")


def refuse_changed() -> None:
    """See to it that all is as it was remembered.

    Raises:
        UserError: A file, or a key of params.yaml, has changed; that DVC would now record.
    """
    if not _seen:
        return
    if changed := next(_changed(), None):
        raise UserError(
            f"{changed} changed while this ran, and DVC would record the result as made from "
            "what is there now; run dvc repro again"
        )


def _changed() -> Iterator[str]:
    yield from map(str, sorted(_seen.keys() ^ set(_files())))
    for path, before in _seen.items():
        if (now := _File.of(path, before)) is before:
            continue
        if now.digest != before.digest and path != paths.PARAMS:
            yield str(path)
        _seen[path] = now
    if _params:
        # it may have been another only while it was read
        for text in {paths.PARAMS.read_bytes(), *plain_yaml.was_read(paths.PARAMS)} - {*_params}:
            yield from _changed_keys(text)


def _changed_keys(text: bytes) -> Iterator[str]:
    """Yield which of the stage's keys of params.yaml changed; others are edited as people like."""
    from dvc.exceptions import DvcException
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    reader = YAML(typ="safe", pure=True)
    try:
        before, now = (reader.load(content.decode()) for content in (*_params, text))
        for key in _keys(stage()):
            if plain_yaml.at(now, key) != plain_yaml.at(before, key):
                yield f"{key} in {paths.PARAMS}"
    except (DvcException, YAMLError, UnicodeDecodeError):  # what DVC cannot read is no longer so
        yield str(paths.PARAMS)


def _keys(name: str) -> list[str]:
    """Return what dvc.yaml says that a stage reads of params.yaml, as DVC resolves it."""
    from dvc.dependency.param import ParamsDependency  # takes seconds, and is seldom asked
    from dvc.repo import Repo

    with Repo() as repo:
        read = repo.stage.load_one(name=name).deps
    return [key for one in read if isinstance(one, ParamsDependency) for key in one.params]


def _files() -> Iterator[Path]:
    for path in map(Path, map(os.path.relpath, dependencies())):
        if path.is_dir():
            yield from dvc_config.files(path)
        elif path.exists():
            yield path
