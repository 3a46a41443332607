"""The pipeline's verbs, one thin module each: read parameters, load, make one call, save."""

__all__ = ["run"]

from collections.abc import Callable
from functools import wraps

import typer

from whitepatch import programs
from whitepatch.errors import run_app
from whitepatch.stages.under_dvc import PARENT, Begun, name


def run(stage: Callable[..., None]) -> None:
    """Run a stage as a program: its parameters are the command line's arguments."""
    programs.compute_as_asked()

    @wraps(stage)
    def watched(**arguments: str) -> None:
        begun = None
        if name():
            programs.end_with_parent(PARENT)
            begun = Begun.now()
        stage(**arguments)
        if begun:
            begun.refuse_changed()

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(watched)
    run_app(app, name())
