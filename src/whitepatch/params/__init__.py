"""params.yaml, loaded strictly: unknown, missing and impossible values are refused.

There is no second default anywhere in the code: a key that is missing is an error.
"""

__all__ = [
    "Cells",
    "Condition",
    "Crops",
    "Download",
    "Experiment",
    "Folder",
    "Folds",
    "Member",
    "Mixture",
    "Network",
    "Params",
    "Patch",
    "Photos",
    "Pixels",
    "Precision",
    "Rows",
    "Runtime",
    "Score",
    "Sources",
    "Split",
    "Stl10",
    "Sweep",
    "Train",
    "load",
    "of_protocol",
    "protocol",
]

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from whitepatch import paths
from whitepatch.errors import UserError, printable, short
from whitepatch.params.base import Name, Strict
from whitepatch.params.experiment import (
    Experiment,
    Folds,
    Mixture,
    Patch,
    Pixels,
    Precision,
    Rows,
    Runtime,
    Score,
    Split,
    Train,
)
from whitepatch.params.sources import Crops, Download, Folder, Member, Photos, Sources, Stl10
from whitepatch.params.sweeps import Condition, Sweep

VARIANTS = Path(__file__).parents[1] / "models" / "variants"

TAKEN = ("bench", "summary", "sweeps")
"""Folders of reports/ that belong to no experiment."""

T = TypeVar("T")


class Cells(Strict):
    """How trainings are run and kept; nothing here can move a result."""

    workers: Annotated[int, Field(ge=0, le=1024)]
    any_machine: bool
    limit: Annotated[float, Field(gt=0)]


class Network(Strict):
    """A variant in an experiment: a line of `networks`, by which DVC names its stages."""

    experiment: Name
    variant: Name

    def __str__(self) -> str:
        return f"{{experiment: {self.experiment}, variant: {self.variant}}}"


class Params(Strict):
    """The whole of params.yaml.

    What is `shared` counts only where an experiment takes it over, and is checked there.
    """

    cells: Cells
    shared: dict[str, Any]
    download: Download
    live: tuple[str, ...]
    sources: Sources
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)]
    sweeps: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=128)], Sweep]
    networks: dict[str, Network]

    @model_validator(mode="after")
    def _names_stand_for_something(self) -> "Params":
        named = {f"experiments.{it}.variants": one.variants for it, one in self.experiments.items()}
        named |= {f"sweeps.{it}.variants": one.variants for it, one in self.sweeps.items()}
        for what, name in ((what, name) for what, names in named.items() for name in names):
            if not (VARIANTS / f"{name}.py").is_file():
                raise ValueError(
                    f"{what}: {name!r} has no file {name}.py in src/whitepatch/models/variants; "
                    "write one, or take it out"
                )
        for name in TAKEN:
            if name in self.experiments:
                raise ValueError(
                    f"experiments.{name}: reports/{name} is another folder; choose another name"
                )
        for name in self.live:
            if name not in self.experiments:
                known = ", ".join(self.experiments)
                raise ValueError(f"live must name experiments ({known}), got {name!r}")
        return self

    @model_validator(mode="after")
    def _rows_exist(self) -> "Params":
        for name, experiment in self.experiments.items():
            self._check_rows(f"experiments.{name}", experiment)
        return self

    @model_validator(mode="after")
    def _sweeps_are_possible(self) -> "Params":
        for name, sweep in self.sweeps.items():
            what = f"sweeps.{name}"
            if sweep.experiment not in self.experiments:
                raise ValueError(
                    f"{what}.experiment must be one of {', '.join(self.experiments)}, got "
                    f"{sweep.experiment!r}; mend it, or take the sweep out"
                )
            try:
                for training in sweep.trainings(self.experiments[sweep.experiment]):
                    self._check_rows(what, training.experiment)
                    sweep.tests(training)
            except ValueError as error:
                raise ValueError(f"{what}: {error}") from None
        return self

    @model_validator(mode="after")
    def _networks_are_those_of_experiments(self) -> "Params":
        named = {
            f"{name}-{variant}": Network(experiment=name, variant=variant)
            for name, experiment in self.experiments.items()
            for variant in experiment.variants
        }
        rule = "networks must have a line for each of experiments.*.variants, and no other"
        for key, network in named.items():
            if key not in self.networks:
                raise ValueError(f"{rule}; {key} is missing: add the line {key}: {network}")
            if self.networks[key] != network:
                raise ValueError(
                    f"networks.{key} must be {network}, got {self.networks[key]}; mend it"
                )
        for key, network in self.networks.items():
            if key not in named:
                raise ValueError(f"{rule}; {key!r} is of none: take out the line {key}: {network}")
        return self

    def _check_rows(self, what: str, experiment: Experiment) -> None:
        self.sources.named(experiment.source)
        if isinstance(experiment.split, Folds):
            return  # how many images a seed has, the scenes of its folds tell
        for part, rows in experiment.split.parts().items():
            most = self.sources.stl10.num_rows(rows.file)
            if rows.stop > most:
                raise ValueError(
                    f"{what}.split.{part}.stop: the source has {most} rows in its {rows.file} "
                    f"file, got {rows.stop}"
                )

    def experiment(self, name: str) -> Experiment:
        """Return an experiment by name; a name that is not there is a `UserError`."""
        return self._named(self.experiments, "experiment", name)

    def sweep(self, name: str) -> Sweep:
        """Return a sweep by name; a name that is not there is a `UserError`."""
        return self._named(self.sweeps, "sweep", name)

    def variant(self, experiment: str, name: str) -> str:
        """Return `name` if it is a variant of an experiment, else raise `UserError`."""
        known = {variant: variant for variant in self.experiment(experiment).variants}
        return self._named(known, "variant", name, f"experiments.{experiment} of ")

    @staticmethod
    def _named(known: dict[str, T], what: str, name: str, where: str = "") -> T:
        if name not in known:
            raise UserError(f"no {what} {name!r} in {where}params.yaml; it has {', '.join(known)}")
        return known[name]


def load(path: Path = paths.PARAMS) -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: The file is missing, is no YAML, or breaks a rule; one line of a few hundred
            characters at most names the key, the rule and the value.
    """
    # here, because a machine that only trains (bench/full.py) need not have it
    from ruamel.yaml import YAML

    try:
        with warnings.catch_warnings(action="error"):
            sections = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        # JSON: a list is a tuple here, and there are no dates, bytes or circles
        content = json.dumps(sections)
    except FileNotFoundError:
        raise UserError(f"{path} is not here; run this from the project's root") from None
    except OSError:
        raise
    except Exception as error:  # a tag may make of a value what it likes, and raise anything
        reason = printable(short(str(error), 300))
        raise UserError(f"{path} is no readable YAML: {reason}") from None
    try:
        return Params.model_validate_json(content)
    except ValidationError as error:
        raise UserError(f"{path}: {_line(error.errors())}") from None


def protocol(experiment: Experiment) -> dict[str, Any]:
    """Return what makes a seed's result, as JSON: everything but which variants and seeds run."""
    return experiment.model_dump(mode="json", exclude={"variants": True, "train": {"seeds"}})


def of_protocol(
    protocol: Mapping[str, Any], variants: Sequence[str], seeds: Sequence[int]
) -> Experiment:
    """Return the experiment that has this protocol: what results say, whatever is there now.

    Raises:
        UserError: It is none of this version.
    """
    train = {**protocol["train"], "seeds": list(seeds)}
    content = {**protocol, "variants": list(variants), "train": train}
    try:
        return Experiment.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UserError(
            f"these are results of another version ({_line(error.errors())}); "
            "make them again: dvc repro"
        ) from None


def _line(errors: list[ErrorDetails]) -> str:
    first = errors[0]
    where = ".".join(str(it) for it in first["loc"] if it not in ("by rows", "by folds"))
    rule = first["msg"].removeprefix("Value error, ")
    rule = {
        "Extra inputs are not permitted": "is not a key of this place",
        "Field required": "is missing",
    }.get(rule, rule)
    # a rule of a whole section names its own values; its input would be the section again
    given = first["input"]
    value = "" if isinstance(given, dict | BaseModel) else f", got {short(json.dumps(given), 80)}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    place = printable(short(where, 200)) + (": " if where else "")
    return f"{place}{short(rule, 300)}{value}{more}"
