"""The pipeline's verbs, one thin module each: read parameters, load, make one call, save."""

__all__ = ["run"]

from collections.abc import Callable
from functools import wraps

import typer

from whitepatch import programs
from whitepatch.errors import run_app
from whitepatch.stages.under_dvc import Begun, end_with_dvc, name


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
    run_app(app, name())
