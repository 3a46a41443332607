"""What a stage builds on is what dvc.lock has, byte by byte, or it is refused.

DVC takes a file for unchanged if its size and time are, so it does not see a flipped bit, and would
hand it to the next stage. Each stage therefore reads what it builds on before it does anything.
"""

__all__ = ["refuse_mixture", "refuse_other"]

from collections.abc import Collection
from pathlib import Path
from typing import Any

from whitepatch import paths, plain_yaml
from whitepatch.dvc_lock import LOCK, digest, inputs, outputs, read
from whitepatch.errors import UserError

ORDER = ("fetch", "split", "train", "evaluate", "report", "publish", "compare")
"""Stages build on those before them."""

MAKERS = ("split", "train", "evaluate", "report")
"""Those whose results depend on parameters; others tell what results say, whatever is there now."""


def refuse_other(stage: str, *, and_made: bool = False) -> None:
    """See to it that what a stage builds on is what dvc.lock has; what is not here is no fault.

    Pictures are left to the split, which knows each by a digest of its bytes.

    Args:
        stage: As DVC names it.
        and_made: Whether what it has made itself is looked at, too, by who makes nothing.

    Raises:
        UserError: Something has changed behind DVC's back, or was made of other parts, or with
            other parameters, than there are now; a report would name these beside old numbers.
    """
    locked = read()
    if not and_made:
        _refuse_outdated(stage, locked)
    reads = {dependency["path"] for dependency in locked.get(stage, {}).get("deps", [])}
    for output in outputs(locked):
        if output.stage.startswith("fetch@") and reads and str(output.path) not in reads:
            continue  # another source's pictures
        if not (_builds_on(stage, output.stage) or (and_made and output.stage == stage)):
            continue
        if output.path.exists() and not output.is_as_recorded():
            raise UserError(f"{output.path} is not what {LOCK} has; {output.cure()}")
    for table in inputs(locked):
        path = table.path
        if str(path) not in reads or not path.is_file() or table.is_as_recorded():
            continue
        if _is_taken_for_another(path):  # people may edit it, and then DVC sees so
            raise UserError(f"{path} is not what {LOCK} has; git checkout {path}")


def refuse_mixture(experiment: str, variants: Collection[str]) -> None:
    """See to it that the results of an experiment are of one piece.

    While a pipeline runs, new weights stand beside the evaluation of old ones.

    Args:
        experiment: Whose results.
        variants: That it has; DVC forgets nothing of others.

    Raises:
        UserError: A stage was last run on something else than what is recorded now.
    """
    locked = read()
    made = {str(output.path): output.md5 for output in outputs(locked)}
    for stage, entry in locked.items():
        verb, _, subject = stage.partition("@")
        name, _, variant = subject.partition("-")
        shown = verb == "report" or (verb == "evaluate" and variant in variants)
        if name != experiment or not shown:
            continue
        for dependency in entry.get("deps", []):
            path = dependency["path"]
            if any(other.startswith(f"{path}/") for other in made):
                now = digest(Path(path)) if Path(path).exists() else dependency["md5"]
            else:
                now = made.get(path, dependency["md5"])
            if now != dependency["md5"]:
                raise UserError(
                    f"{path} has changed since {stage} ran; "
                    f"let the pipeline finish, or: dvc repro report@{experiment}"
                )


def _refuse_outdated(stage: str, locked: dict[str, Any]) -> None:
    """See to it that what a stage builds on is of one piece, and of the parameters that are there.

    DVC runs a single stage (`-s`) on whatever others have left.
    """
    if stage.partition("@")[0] not in MAKERS:
        return
    now = plain_yaml.read(paths.PARAMS)
    name = stage.partition("@")[2]
    source = plain_yaml.at(now, f"experiments.{name}.source")  # of a split
    variants = now.get("variants")
    if not isinstance(variants, list):
        return  # the stage refuses it
    made = {str(output.path): output.md5 for output in outputs(locked)}
    for earlier, entry in locked.items():
        verb, _, subject = earlier.partition("@")
        if verb == "fetch":
            counts = subject == source
        else:  # DVC forgets no variant that was taken out
            counts = verb == "split" or subject.partition("-")[2] in variants
        if not (counts and _builds_on(stage, earlier)):
            continue
        for key, value in entry.get("params", {}).get(str(paths.PARAMS), {}).items():
            if plain_yaml.at(now, key) != value:
                raise UserError(
                    f"{key} in {paths.PARAMS} is not what {earlier} ran with; dvc repro {stage}"
                )
        for dependency in entry.get("deps", []):
            path = dependency["path"]
            if made.get(path, dependency["md5"]) != dependency["md5"]:
                raise UserError(f"{path} has changed since {earlier} ran; dvc repro {stage}")


def _is_taken_for_another(path: Path) -> bool:
    """Say whether DVC knows a file, by its size and time, under a sum that it has no more."""
    from dvc.fs import LocalFileSystem  # takes seconds, and is seldom asked
    from dvc.repo import Repo

    with Repo() as repo:
        _, known = repo.state.get(str(path.absolute()), LocalFileSystem())
    return known is not None and known.value != digest(path)


def _builds_on(stage: str, earlier: str) -> bool:
    verb, _, subject = stage.partition("@")
    before, _, other = earlier.partition("@")
    if verb not in ORDER or before not in ORDER or ORDER.index(before) >= ORDER.index(verb):
        return False
    if before in ("fetch", "publish"):
        # a source is not named as an experiment is; what publish writes, nobody reads
        return before == "fetch" and verb == "split"
    experiment, _, variant = subject.partition("-")
    its_experiment, _, its_variant = other.partition("-")
    if not subject:  # the overview shows what was evaluated, of every experiment
        return before in ("evaluate", "report")
    return experiment == its_experiment and (not variant or its_variant in ("", variant))
