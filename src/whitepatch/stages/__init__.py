"""The pipeline's verbs, one thin module each: read parameters, load, make one call, save."""

__all__ = ["run", "run_app"]

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer

from whitepatch.errors import UserError


def run(stage: Callable[..., Any]) -> None:
    """Run a stage as a program: its parameters are the command line's arguments."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(stage)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a command line; a `UserError` ends it with one line and status 2."""
    # torch says this in several lines; runtime.py says it in one
    warnings.filterwarnings("ignore", "CUDA initialization", UserWarning)
    try:
        app()
    except UserError as error:
        stage = os.environ.get("DVC_STAGE", "")
        print(f"{stage + ': ' if stage else ''}{error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
