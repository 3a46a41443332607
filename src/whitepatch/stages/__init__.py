"""The pipeline's verbs, one thin module each: read parameters, load, make one call, save."""

__all__ = ["run", "run_app"]

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps

import typer

from whitepatch import programs
from whitepatch.errors import CURES, UserError
from whitepatch.stages.under_dvc import Begun, end_with_dvc, name

PLACES = ("data", "models", "reports")
"""Where stages write."""


def run(stage: Callable[..., Callable[[], None] | None]) -> None:
    """Run a stage as a program: its parameters are the command line's arguments.

    Args:
        stage: May return what is to be done as soon as its result may be recorded.
    """
    programs.compute_as_asked()

    @wraps(stage)
    def watched(**arguments: str) -> None:
        begun = None
        if name():
            end_with_dvc()
            begun = Begun.now()
        afterwards = stage(**arguments)
        if begun:
            begun.refuse_changed()
        if afterwards:
            afterwards()

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(watched)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a command line; a `UserError` ends it with one line and status 2.

    So does what the machine refuses: no space, no permission, a file that no stage has made yet.
    """
    try:
        app()
    except UserError as error:
        _end(str(error))
    except OSError as error:
        made = str(error.filename).partition("/")[0] in PLACES
        if error.errno == errno.ENOENT and made:
            _end(f"{error.filename} is missing; let DVC make it first: dvc repro runs all in order")
        if error.errno not in CURES:
            raise
        _end(f"{error.filename or 'a file'}: {os.strerror(error.errno)}; {CURES[error.errno]}")


def _end(message: str) -> None:
    line = " ".join(message.splitlines())  # names may have any character
    print(f"{name()}: {line}" if name() else line, file=sys.stderr)  # noqa: T201
    sys.exit(2)
