"""The pipeline's verbs, one thin module each: read parameters, load, make one call, save.

What DVC says that a stage reads is looked at when this package is imported: before the stage's own
module, and all the code that it needs.
"""

__all__ = ["run", "run_app"]

import errno
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import typer
from safetensors import SafetensorError

from whitepatch import dvc_lock, paths, programs, recorded
from whitepatch.errors import CURES, UserError, short
from whitepatch.exclusive import exclusive, tidy
from whitepatch.files import PLACES, sweep
from whitepatch.processes import refuse_orphan
from whitepatch.processes import stage as of_dvc
from whitepatch.unchanged import refuse_changed, refuse_touched, remember


def run(stage: Callable[..., Any]) -> None:
    """Run a stage as a program: its parameters are the command line's arguments.

    Of each stage only one runs at a time.
    """
    programs.compute_as_asked()
    verb = Path(sys.argv[0]).stem

    @wraps(stage)
    def alone(**arguments: str) -> None:
        name = "@".join([verb, "-".join(arguments.values())] if arguments else [verb])
        if not paths.PARAMS.exists():  # before a lock is made in somebody else's folder
            raise UserError(f"{paths.PARAMS} is not here; run this from the project's root")
        with exclusive(quote(os.fsencode(name), safe="@")):
            other = None if of_dvc() else _other(name)
            try:
                refuse_touched()
                stage(**arguments)
                refuse_changed()
            except (UserError, OSError):
                raise
            except Exception as error:
                if other:
                    raise other from None
                if not of_dvc() and not dvc_lock.LOCK.exists():
                    raise UserError(
                        f"{name}: {type(error).__name__}: {short(str(error), 200)}; without "
                        f"{dvc_lock.LOCK} nobody knows whether what it reads is whole; "
                        f"{dvc_lock.FROM_GIT}, or make that anew: dvc repro {name}"
                    ) from error
                raise

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(alone)
    run_app(app)


def _other(stage: str) -> UserError | None:
    """Say whether a stage that is run by hand builds on other files than dvc.lock has.

    It may, for without DVC nothing records what is made; but not unnoticed.
    """
    try:
        recorded.refuse_other(stage)
    except UserError as error:
        print(f"{error}; used as it is, for DVC does not run this", file=sys.stderr)  # noqa: T201
        return error
    return None


def run_app(app: typer.Typer) -> None:
    """Run a command line; a `UserError` ends it with one line and status 2.

    So does what the machine refuses: no space, no permission, no place to write. Under DVC, what a
    stage builds on is compared with dvc.lock before.
    """
    # torch says this in several lines; runtime.py says it in one
    warnings.filterwarnings("ignore", "CUDA initialization", UserWarning)
    with _in_a_line():
        if stage := of_dvc():
            refuse_orphan()
            recorded.refuse_other(stage)
            # what DVC takes from its cache runs nothing that would tidy up
            sweep(*(path for place in PLACES for path in Path(place).rglob(".*")))
            tidy()
        app()


@contextmanager
def _in_a_line() -> Iterator[None]:
    """End the program in one line, with status 2, where people or the machine are at fault."""
    try:
        yield
    except UserError as error:
        _end(str(error))
    except OSError as error:
        if error.errno == errno.ENOENT and error.filename == str(paths.PUBLISHED):
            _end(f"{paths.PUBLISHED} is missing; take it from Git: git checkout {paths.PUBLISHED}")
        if error.errno == errno.ENOENT and str(error.filename).partition("/")[0] in PLACES:
            _end(f"{error.filename} is missing; let DVC make it first: dvc repro runs all in order")
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
    stage = of_dvc()
    line = " ".join(message.splitlines())  # a name that somebody gave may have any character
    print(f"{stage + ': ' if stage else ''}{line}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Leave out the traceback of a Ctrl-C that comes while modules are read; later, typer does."""
    if issubclass(kind, KeyboardInterrupt):
        print("Aborted!", file=sys.stderr)  # noqa: T201
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _uncaught
with _in_a_line():
    remember()
