"""params.yaml, loaded strictly: unknown, missing and impossible values are refused.

There is no second default anywhere in the code: a key that is missing is an error.
"""

__all__ = [
    "Download",
    "Experiment",
    "Member",
    "Params",
    "Patch",
    "PhotoGroup",
    "Photos",
    "Pixels",
    "Precision",
    "Rows",
    "Runtime",
    "Score",
    "Split",
    "Stl10",
    "Train",
    "load",
    "protocol",
]

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from whitepatch import paths, plain_yaml
from whitepatch.errors import UserError, short

IMAGE_BYTES = 3 * 96 * 96

VARIANTS = Path(__file__).parent / "models" / "variants"

TAKEN = ("bench", "summary")
"""Folders of reports/ that belong to no experiment."""


def _address(url: str) -> str:
    """Return an address if it can be taken apart; else raise ValueError."""
    parts = urlsplit(url)
    if parts.port is None and parts.scheme != "file" and not parts.hostname:
        raise ValueError("names no server")
    return url


def _file(path: str) -> str:
    """Return a path if it can be that of a file; else raise ValueError."""
    if path.endswith("/") or not Path(path).name.strip("."):
        raise ValueError("must name a file")
    if any(len(part.encode()) > 200 for part in Path(path).parts):
        raise ValueError("a name in it is longer than 200 bytes")
    return path


T = TypeVar("T")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Count = Annotated[int, Field(gt=0)]
Index = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Precision: TypeAlias = Literal["fp32", "tf32", "bf16"]


class Strict(BaseModel):
    """A part of params.yaml: its keys exactly, its types exactly, unchangeable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Runtime(Strict):
    """Where and how every training and evaluation runs."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(gt=0, le=256)]
    precision: Precision
    cuda_graph: bool

    @model_validator(mode="after")
    def _device_has_the_precision(self) -> "Runtime":
        if self.precision == "tf32" and self.device == "cpu":
            raise ValueError("precision tf32 is of GPUs only, but device is cpu; use fp32")
        return self


class PhotoGroup(Strict):
    """How many crops are cut from which photographs."""

    # a crop takes 28 kB of memory
    crops: Annotated[int, Field(gt=0, le=100_000)]
    photographs: Annotated[tuple[Name, ...], Field(min_length=1)]


class Photos(Strict):
    """The source `photos`: crops of photographs that installed packages carry."""

    seed: Seed
    sides: Annotated[tuple[Annotated[int, Field(ge=16)], ...], Field(min_length=1)]
    darkest: Annotated[float, Field(gt=0, le=1)]
    swap_channels: bool
    train: PhotoGroup
    validation: PhotoGroup
    test: PhotoGroup

    @model_validator(mode="after")
    def _photographs_do_not_meet(self) -> "Photos":
        names = [*self.train.photographs, *self.validation.photographs, *self.test.photographs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"a photograph belongs to one group only; {', '.join(twice)} to more")
        return self

    def num_rows(self, file: Literal["train", "test"]) -> int:
        """Return the number of images in a file of this source."""
        return self.test.crops if file == "test" else self.train.crops + self.validation.crops


class Member(Strict):
    """A file in an archive."""

    name: Annotated[str, Field(pattern=r"^[^/].*$")]
    bytes: Count
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Stl10(Strict):
    """The source `stl10`: the four labelled members of its archive."""

    train_X: Member  # noqa: N815 -- the name of STL-10's own file
    train_y: Member
    test_X: Member  # noqa: N815 -- the same
    test_y: Member

    def members(self) -> dict[str, Member]:
        """Return the members by the name of the file that each becomes."""
        return {f"{key}.bin": getattr(self, key) for key in type(self).model_fields}

    @model_validator(mode="after")
    def _sizes_agree(self) -> "Stl10":
        for file in ("train", "test"):
            images, labels = getattr(self, f"{file}_X"), getattr(self, f"{file}_y")
            if images.bytes != labels.bytes * IMAGE_BYTES:
                raise ValueError(
                    f"{file}_X.bytes must be {IMAGE_BYTES} (3x96x96) for each of the "
                    f"{labels.bytes} bytes of {file}_y, got {images.bytes}"
                )
        return self

    def num_rows(self, file: Literal["train", "test"]) -> int:
        """Return the number of images in a file of this source."""
        return self.test_y.bytes if file == "test" else self.train_y.bytes


class Sources(Strict):
    """Where images come from; each is a package of its name in `sources`."""

    stl10: Stl10
    photos: Photos


class Download(Strict):
    """How an archive is fetched; nothing here can move a result."""

    urls: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(https?|file)://"), AfterValidator(_address)], ...],
        Field(min_length=1),
    ]
    archive: Annotated[str, Field(max_length=1000), AfterValidator(_file)]
    connect_timeout: Annotated[float, Field(gt=0, le=3600)]
    stall_timeout: Annotated[float, Field(gt=0, le=3600)]
    tries: Annotated[int, Field(gt=0, le=1000)]
    pause: Annotated[float, Field(gt=0, le=30)]
    patience: Annotated[float, Field(gt=0, le=86_400)]
    most_bytes: Count


class Rows(Strict):
    """Rows start to stop - 1 of a source's file."""

    file: Literal["train", "test"]
    start: Index
    stop: Count

    @model_validator(mode="after")
    def _not_empty(self) -> "Rows":
        if self.stop <= self.start:
            raise ValueError(f"stop must be above start, got {self.start} to {self.stop}")
        return self

    def __len__(self) -> int:
        return self.stop - self.start

    def meets(self, other: "Rows") -> bool:
        """Say whether two ranges share a row."""
        return self.file == other.file and max(self.start, other.start) < min(self.stop, other.stop)


class Split(Strict):
    """Which rows train, validate and test."""

    train: Rows
    validation: Rows | None
    test: Rows

    def parts(self) -> dict[str, Rows]:
        """Return the ranges by name, in the order of the manifest."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in named.items() if rows is not None}

    @model_validator(mode="after")
    def _parts_do_not_meet(self) -> "Split":
        parts = self.parts()
        for first, second in [("train", "validation"), ("train", "test"), ("validation", "test")]:
            if first in parts and second in parts and parts[first].meets(parts[second]):
                raise ValueError(f"{first} and {second} share rows; they must be disjoint")
        return self


class Patch(Strict):
    """The white patch and the plan of who gets it and where."""

    plan: Literal["per_image", "per_batch"]
    seed: Seed
    probability: Annotated[float, Field(gt=0, lt=1)]
    size: Annotated[int, Field(gt=0, lt=96)]
    positions: Count
    value: Annotated[float, Field(ge=-1000, le=1000)]

    @model_validator(mode="after")
    def _fits(self) -> "Patch":
        if self.positions - 1 + self.size > 96:
            raise ValueError(
                f"positions - 1 + size must be at most 96 pixels, "
                f"got {self.positions} - 1 + {self.size}"
            )
        if self.plan == "per_batch" and self.probability != 0.5:
            raise ValueError(f"per_batch tosses a fair coin: 0.5, got {self.probability}")
        return self


class Pixels(Strict):
    """A byte becomes (byte - offset) / scale."""

    offset: Annotated[float, Field(ge=0, le=255)]
    scale: Annotated[float, Field(ge=1, le=1000)]


class Train(Strict):
    """One training."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]
    # the first seed's weights are kept after each, 0.2 MB
    epochs: Annotated[int, Field(gt=0, le=1000)]
    batch_size: Count
    shuffle: bool
    loss: Literal["logits", "printed"]
    learning_rate: Annotated[float, Field(gt=0, le=1000)]
    schedule: Literal["one_cycle", "constant"]
    rise: Annotated[float, Field(ge=0, le=1)]
    choose: Literal["validation", "test"]

    @model_validator(mode="after")
    def _seeds_differ(self) -> "Train":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ, got {list(self.seeds)}")
        return self


class Score(Strict):
    """Which maps are kept, scored and drawn."""

    first: Index
    images: Count
    panel: Annotated[int, Field(gt=0, le=50)]
    movers: Count
    grid: Annotated[int, Field(ge=2, le=81)]

    @model_validator(mode="after")
    def _images_are_kept(self) -> "Score":
        for name, number in (("panel", self.panel), ("movers", self.movers)):
            if number > self.images:
                raise ValueError(f"{name} must be at most images, got {number} of {self.images}")
        return self


class Experiment(Strict):
    """Images and protocol."""

    source: Literal["stl10", "photos"]
    split: Split
    patch: Patch
    pixels: Pixels
    train: Train
    score: Score

    @model_validator(mode="after")
    def _parts_agree(self) -> "Experiment":
        if self.train.choose == "validation" and self.split.validation is None:
            raise ValueError("train.choose is validation, but split.validation is null")
        if self.train.batch_size > len(self.split.train):
            raise ValueError(
                f"train.batch_size must be at most the {len(self.split.train)} images of "
                f"split.train, got {self.train.batch_size}"
            )
        if self.score.first + self.score.images > len(self.split.test):
            raise ValueError(
                f"score.first + score.images must be at most the {len(self.split.test)} images of "
                f"split.test, got {self.score.first} + {self.score.images}"
            )
        if self.score.grid > max(self.patch.positions, 2):
            raise ValueError(
                f"score.grid must be at most the {self.patch.positions} of patch.positions, "
                f"got {self.score.grid}"
            )
        # the article's rule adds an image's place in its batch, and NumPy's seeds end there
        if self.patch.plan == "per_batch" and self.patch.seed + self.train.batch_size > 2**32:
            raise ValueError(
                f"patch.seed + train.batch_size must be at most {2**32}, "
                f"got {self.patch.seed} + {self.train.batch_size}"
            )
        return self


class Params(Strict):
    """The whole of params.yaml."""

    runtime: Runtime
    variants: Annotated[tuple[Name, ...], Field(min_length=1)]
    download: Download
    live: tuple[str, ...]
    sources: Sources
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_stand_for_something(self) -> "Params":
        if len(set(self.variants)) < len(self.variants):
            raise ValueError(f"variants must differ, got {list(self.variants)}")
        for name in self.variants:
            if not (VARIANTS / f"{name}.py").is_file():
                raise ValueError(
                    f"variants: {name!r} has no file {name}.py in src/whitepatch/models/variants; "
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
        needed = sum(member.bytes for member in self.sources.stl10.members().values())
        if needed > self.download.most_bytes:
            raise ValueError(
                f"download.most_bytes must be at least the {needed} bytes of sources.stl10, "
                f"got {self.download.most_bytes}"
            )
        for name, experiment in self.experiments.items():
            for part, rows in experiment.split.parts().items():
                source: Stl10 | Photos = getattr(self.sources, experiment.source)
                most = source.num_rows(rows.file)
                if rows.stop > most:
                    raise ValueError(
                        f"experiments.{name}.split.{part}.stop: the source has {most} rows "
                        f"in its {rows.file} file, got {rows.stop}"
                    )
        return self

    def experiment(self, name: str) -> Experiment:
        """Return an experiment by name; a name that is not there is a `UserError`."""
        return self._named(self.experiments, "experiment", name)

    def variant(self, name: str) -> str:
        """Return `name` if it is a variant of params.yaml, else raise `UserError`."""
        return self._named({variant: variant for variant in self.variants}, "variant", name)

    @staticmethod
    def _named(known: dict[str, T], what: str, name: str) -> T:
        if name not in known:
            raise UserError(f"no {what} {name!r} in params.yaml; it has {', '.join(known)}")
        return known[name]


def load(path: Path = paths.PARAMS) -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: The file is missing, is no plain YAML, or breaks a rule; one line of a few
            hundred characters at most names the key, the rule and the value.
    """
    from whitepatch.feasible import refuse_one_sided  # which needs this module

    content = json.dumps(plain_yaml.read(path))
    try:
        loaded = Params.model_validate_json(content)
        for name, experiment in loaded.experiments.items():
            refuse_one_sided(name, experiment)
    except ValidationError as error:
        raise UserError(f"{path}: {_line(error.errors())}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return loaded


def protocol(experiment: Experiment) -> dict[str, Any]:
    """Return what makes a seed's result, as JSON: everything but the list of seeds."""
    return experiment.model_dump(mode="json", exclude={"train": {"seeds"}})


def _line(errors: list[ErrorDetails]) -> str:
    first = errors[0]
    where = ".".join(map(str, first["loc"]))
    rule = first["msg"].removeprefix("Value error, ")
    rule = {
        "Extra inputs are not permitted": "is not a key of this place",
        "Field required": "is missing",
    }.get(rule, rule)
    # a rule of a whole section names its own values; its input would be the section again
    given = first["input"]
    value = "" if isinstance(given, dict | BaseModel) else f", got {short(json.dumps(given), 80)}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{short(where, 200)}{': ' if where else ''}{short(rule, 300)}{value}{more}"
