"""The command line for people: `whitepatch --help`."""

import sys
from typing import Annotated

import typer

from whitepatch import params
from whitepatch.errors import UserError
from whitepatch.stages import run_app

commands = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__
)


@commands.callback()
def _whitepatch() -> None:
    """What attention modules really do in a small CNN. The pipeline itself is run by DVC."""


@commands.command()
def publish(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(help="Names in params.yaml; all that have a report if none."),
    ] = None,
) -> None:
    """Replay results into MLflow; what is there already stays."""
    from whitepatch.stages.publish import main as publish_one

    for name in experiments or _reported():
        publish_one(name)


@commands.command()
def ui(port: Annotated[int, typer.Option(help="On 127.0.0.1.")] = 5000) -> None:
    """Publish all results, then open MLflow on this machine."""
    from whitepatch import tracking

    publish()
    sys.exit(tracking.serve(port))


def _reported() -> list[str]:
    from whitepatch import replay

    everything = params.load()
    found = [name for name in everything.experiments if replay.has_results(name, everything)]
    if not found:
        raise UserError("no experiment has results yet; run: make demo")
    return found


def app() -> None:
    """Run the command line; a `UserError` ends it with one line and status 2."""
    run_app(commands)


if __name__ == "__main__":
    app()
