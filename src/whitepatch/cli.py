"""The command line: `whitepatch --help`."""

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from whitepatch import paths, programs
from whitepatch.errors import UserError, printable, run_app
from whitepatch.params import load

MOST_PICTURES = 100
"""That `predict` takes at once."""

NOTHING_YET = "no experiment has all its results here; run: make demo"

commands = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@commands.callback()
def _whitepatch() -> None:
    """What attention modules really do in a small CNN. The pipeline itself is run by DVC."""


@commands.command()
def train(
    experiments: Annotated[
        list[str] | None, typer.Argument(help="And sweeps: names in params.yaml; demo if none.")
    ] = None,
    cells: Annotated[
        str, typer.Option(help="Only these, as i/n: every n-th from the i-th on, counted from 1.")
    ] = "1/1",
    workers: Annotated[
        int, typer.Option(help="Trained at once; 0: cells.workers of params.yaml.", min=0)
    ] = 0,
    ray: Annotated[
        str, typer.Option(help="A Ray cluster instead: ray://HOST:PORT, auto, or local.")
    ] = "",
    gpus: Annotated[
        float | None,
        typer.Option(help="Of each cell on Ray; 0.5: two share one. One if there are any.", min=0),
    ] = None,
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Meanwhile, have DVC evaluate what is trained.")
    ] = False,
) -> None:
    """Train cells of experiments and sweeps, several at once, for DVC to take over.

    A cell is a variant and a seed; one that is trained already stays. Without --cells only stages
    that DVC would run count. `dvc repro` then trains nothing, and writes the results.
    """
    if workers and ray:
        raise UserError("--workers is of this machine, but --ray leaves their number to Ray")
    if gpus is not None and not ray:
        raise UserError("--gpus goes with --ray; this machine trains one cell a GPU")
    programs.compute_as_asked()
    from whitepatch.cells.filling import at_once
    from whitepatch.cells.on_ray import on_ray
    from whitepatch.stages.train_cells import train_cells

    engine = on_ray(ray, gpus) if ray else at_once(workers) if workers else None
    train_cells(experiments or ["demo"], cells, engine, evaluate=evaluate)


@commands.command()
def publish(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(help="Names in params.yaml; all that have a report if none."),
    ] = None,
) -> None:
    """Replay results into MLflow; what is there already stays."""
    from whitepatch.stages.publish import main as publish_one

    if not (experiments := experiments or _reported()):
        raise UserError(NOTHING_YET)
    params = load()
    for name in experiments:
        params.experiment(name)  # or it is refused
        if others := _not_recorded(name):
            words = f"not as in dvc.lock: {', '.join(others)}; shown as here (dvc status says more)"
            typer.echo(f"{name}: {words}", err=True)
        publish_one(name)


@commands.command()
def predict(
    pictures: Annotated[list[Path], typer.Argument(help="PNG, JPEG and the like, of any size.")],
    experiment: Annotated[str, typer.Option(help="Whose networks.")] = "demo",
    variant: Annotated[str, typer.Option(help="Which network.")] = "mha_conv1d",
    seed: Annotated[int, typer.Option(help="Which training of it.")] = 0,
    output: Annotated[Path, typer.Option(help="Where to draw the maps, a .png.")] = Path(
        "prediction.png"
    ),
) -> None:
    """Say of each picture whether it has a white patch, and draw what the network looks at.

    A picture is resized to 96x96 as a whole, so a patch of 16 pixels is a sixth of its side. One
    that cannot be read is left out, and said to be; the others are done, but the status is 2.
    """
    from whitepatch import prediction
    from whitepatch.figures import style
    from whitepatch.figures.panels import prediction_panel
    from whitepatch.models.classifier import title

    if len(pictures) > MOST_PICTURES:
        raise UserError(f"at most {MOST_PICTURES} pictures fit a figure, got {len(pictures)}")
    if output.is_dir() or output.suffix.lower() != ".png":
        raise UserError(f"--output must be the name of a .png file, got {str(output)!r}")
    if output.exists() and any(path.exists() and path.samefile(output) for path in pictures):
        raise UserError(f"--output must not be one of the pictures, got {output}")
    warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
    params = load()
    chosen, variant = params.experiment(experiment), params.variant(experiment, variant)
    read = []
    for path in pictures:
        try:
            read.append((path, prediction.read_picture(path)))
        except UserError as refused:
            if len(pictures) == 1:
                raise
            typer.echo(f"{printable(str(refused))}; left out", err=True)
    if not read:
        raise UserError(f"none of the {len(pictures)} pictures can be read")
    network = prediction.trained(experiment, variant, seed, chosen)
    found = prediction.predict(
        network, prediction.images_of([picture for _, picture in read], chosen)
    )
    names = []
    for (path, _), probability in zip(read, found.probabilities, strict=True):
        verdict = "patch   " if probability > 0.5 else "no patch"
        typer.echo(f"{probability:.4f}  {verdict}  {printable(str(path))}")
        names.append(f"{printable(path.name)}\n{probability:.3f}")
    panel = prediction_panel(found.pictures, found.maps, names, title(variant))
    style.save(panel, output)
    typer.echo(f"Maps: {printable(str(output))}", err=True)
    if len(read) < len(pictures):
        sys.exit(2)


@commands.command()
def verify(
    experiments: Annotated[
        list[str] | None, typer.Argument(help="Names in params.yaml; demo if none.")
    ] = None,
    revision: Annotated[str, typer.Option(help="Of Git, that has the recorded results.")] = "HEAD",
) -> None:
    """Say whether a rebuild here has the numbers that Git has; status 1 if it has not.

    A mean is good if it differs by no more than those of other seeds would; in a fresh clone Git is
    compared with itself. Whether files are the recorded ones, byte by byte, `make verify` says.
    """
    from whitepatch.verify import numbers

    found = [it for name in experiments or ["demo"] for it in numbers(name, revision)]
    width = max(len(finding.what) for finding in found)
    for finding in found:
        mark = "ok " if finding.good else "BAD"
        typer.echo(f"{mark}  {finding.what:{width}}  {finding.words}")
    bad = sum(not finding.good for finding in found)
    typer.echo(f"{len(found) - bad} of {len(found)} are good", err=True)
    sys.exit(1 if bad else 0)


@commands.command()
def ui(port: Annotated[int, typer.Option(help="On 127.0.0.1.", min=1, max=65535)] = 5000) -> None:
    """Publish all results, then open MLflow on this machine."""
    from whitepatch.tracking.serving import refuse_taken, serve
    from whitepatch.tracking.store import is_own

    refuse_taken(port)
    if found := _reported():
        for name in found:
            try:
                publish([name])
            except (UserError, OSError) as refused:  # what is there can be looked at all the same
                typer.echo(f"{name} is not published: {refused}", err=True)
    elif is_own() and not (paths.MLFLOW / "mlflow.db").exists():
        raise UserError(NOTHING_YET)
    else:  # what trainings show while they run
        typer.echo(NOTHING_YET, err=True)
    sys.exit(serve(port))


@commands.command()
def doctor() -> None:
    """Look whether all is here that a run needs; status 1 if it is not. Changes nothing."""
    from whitepatch.doctor import examine

    good = True
    for found in examine():
        mark = "ok " if found.good else "BAD"
        typer.echo(f"{mark}  {found.what:<9}  {found.said}")
        good = good and found.good
    sys.exit(not good)


def _reported() -> list[str]:
    from whitepatch.tracking import replay

    params = load()
    missing = {name: replay.missing(name, params) for name in params.experiments}
    for name, path in missing.items():
        # others have not even begun
        if path is not None and (paths.report(name) / "report.html").exists():
            cure = f"make pull may have it, dvc repro report@{name} makes it"
            typer.echo(f"{name} is left out: {path} is not here; {cure}", err=True)
    return [name for name, path in missing.items() if path is None]


def _not_recorded(name: str) -> list[str]:
    """Return which results of an experiment are others than DVC has recorded."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        stages = Repo().status(targets=[f"publish@{name}"], with_deps=True)
    except DvcException:  # without DVC, or while it is at work
        return []
    changes = [change for said in stages.values() for change in said if isinstance(change, dict)]
    outs = [it for change in changes for it in change.get("changed outs", {}).items()]
    return sorted({path for path, how in outs if how == "modified"})  # what is not here is no other


def app() -> None:
    """Run the command line; a `UserError` ends it with one line and status 2."""
    run_app(commands)


if __name__ == "__main__":
    app()
