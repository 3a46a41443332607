"""What a stage sees to when DVC runs it: that DVC goes on, and that it records what ran.

DVC writes down what a stage was made from when the stage has ended, not when it began. After an
edit in between it would record the old result as made from the new text, for every teammate too
(https://github.com/treeverse/dvc/issues/11058).
"""

__all__ = ["PARENT", "Begun", "name"]

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Self

from whitepatch import params, paths
from whitepatch.errors import UserError

CODE = Path("src/whitepatch")
"""Of the project that DVC looks at."""

PACKAGE = Path(__file__).parents[1]
"""That Python imports."""

SUFFIXES = (".py", ".md", ".html", ".txt", ".mplstyle")
"""Of the package's files."""

PARENT = os.getppid()
"""DVC, for dvc.yaml says `exec`; known before the stage imports what takes seconds."""


def name() -> str:
    """Return which stage DVC runs in this process, as dvc.lock names it; nothing without DVC."""
    # begun in a folder of the project, DVC names its file, too: ../dvc.yaml:train@demo-cnn
    return os.environ.get("DVC_STAGE", "").rpartition(":")[2]


@dataclass(frozen=True)
class Begun:
    """What the stage of this process reads, as it was when the stage began.

    Attributes:
        parameters: Value of each key of params.yaml that dvc.yaml names.
        code: Content of each file of the package that it names, by its path in the project.
    """

    parameters: dict[str, Any]
    code: dict[Path, bytes]

    @classmethod
    def now(cls) -> Self:
        """Look at params.yaml and at the code.

        Raises:
            UserError: The code that runs is another clone's, or params.yaml is refused.
        """
        keys, files = _reads()
        code = {path: _content(path) for path in files}
        for path, content in code.items():
            if content != _content(PACKAGE / path.relative_to(CODE)):
                raise UserError(
                    f"{path} is not what runs, and DVC would record it: the package comes from "
                    f"{PACKAGE}; make setup here, or: export PYTHONPATH={CODE.parent}"
                )
        return cls(_values(keys), code)

    def refuse_changed(self) -> None:
        """See to it that DVC records what ran.

        Raises:
            UserError: The code or the parameters have changed.
        """
        now = _values(self.parameters)
        changed = [f"{key} in {paths.PARAMS}" for key in now if now[key] != self.parameters[key]]
        changed += [str(path) for path, content in self.code.items() if _content(path) != content]
        if changed:
            raise UserError(
                f"{changed[0]} changed while this ran, and DVC would record the result as made "
                "from what is there now; run dvc repro again"
            )


class _Template(Template):
    """Text of dvc.yaml, with ${key}, ${item.variant}."""

    idpattern = r"[a-z.]+"


def _reads() -> tuple[list[str], list[Path]]:
    """Return what dvc.yaml says that this stage reads: keys of params.yaml, files of the package.

    Raises:
        UserError: params.yaml is refused.
    """
    from ruamel.yaml import YAML

    verb, _, subject = name().partition("@")
    first, _, variant = subject.partition("-")
    parameters = params.load()
    experiment = parameters.experiments.get(first)
    named = {"key": subject, "item.experiment": first, "item.variant": variant}
    named["item.source"] = experiment.source if experiment else ""
    if sweep := parameters.sweeps.get(subject):
        named["item.experiment"] = sweep.experiment
    stage = YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"][verb]
    stage = stage.get("do", stage)
    keys, places = (
        [_Template(text).substitute(named) for text in stage.get(what, [])]
        for what in ("params", "deps")
    )
    files = [
        file
        for place in map(Path, places)
        if place.is_relative_to(CODE)
        for file in (place, *place.rglob("*.*"))
        if file.suffix in SUFFIXES and file.is_file()
    ]
    return keys, files


def _values(keys: Iterable[str]) -> dict[str, Any]:
    """Return what params.yaml has under dotted keys; None under a key that it has not."""
    sections, found = params.load().model_dump(), {}
    for key in keys:
        value: Any = sections
        for part in key.split("."):
            value = (value or {}).get(part)
        found[key] = value
    return found


def _content(path: Path) -> bytes:
    """Return the bytes of a file; none if it is gone."""
    return path.read_bytes() if path.is_file() else b""
