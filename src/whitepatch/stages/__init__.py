"""The pipeline's verbs, one thin module each: read parameters, load, make one call, save."""

__all__ = ["run", "run_app"]

import errno
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from safetensors import SafetensorError

from whitepatch import recorded
from whitepatch.errors import UserError
from whitepatch.files import sweep

PLACES = ("data", "models", "reports")
"""Where stages write."""

CURES = {
    errno.ENOSPC: "free some space and run this again",
    errno.EDQUOT: "free some space and run this again",
    errno.EFBIG: "free some space and run this again",
    errno.EEXIST: "something else lies where a folder must be; move it away",
    errno.ENOTDIR: "something else lies where a folder must be; move it away",
    errno.EISDIR: "a folder lies where a file must be; move it away",
    errno.EROFS: "run this where the project's folder can be written",
    errno.EACCES: "let it be read and written by you, and run this again",
    errno.EPERM: "let it be read and written by you, and run this again",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its links lead in a circle; mend them",
}
"""What people can do where the machine refuses."""


def run(stage: Callable[..., Any]) -> None:
    """Run a stage as a program: its parameters are the command line's arguments."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(stage)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a command line; a `UserError` ends it with one line and status 2.

    So does what the machine refuses: no space, no permission, no place to write. Under DVC, what a
    stage builds on is compared with dvc.lock before.
    """
    # torch says this in several lines; runtime.py says it in one
    warnings.filterwarnings("ignore", "CUDA initialization", UserWarning)
    try:
        if stage := os.environ.get("DVC_STAGE"):
            recorded.refuse_other(stage)
            # what DVC takes from its cache runs nothing that would tidy up
            sweep(*(path for place in PLACES for path in Path(place).rglob(".*")))
        app()
    except UserError as error:
        _end(str(error))
    except OSError as error:
        if error.errno not in CURES:
            raise
        _end(f"{error.filename or 'a file'}: {error.strerror}; {CURES[error.errno]}")
    except SafetensorError as error:
        # it is no OSError even where the machine refuses
        number = re.search(r"I/O error: .* \(os error (\d+)\)", str(error))
        if number is None or int(number[1]) not in CURES:
            raise
        _end(f"a file of weights: {os.strerror(int(number[1]))}; {CURES[int(number[1])]}")


def _end(message: str) -> None:
    stage = os.environ.get("DVC_STAGE", "")
    line = " ".join(message.splitlines())  # a name that somebody gave may have any character
    print(f"{stage + ': ' if stage else ''}{line}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
