"""Images and protocol: `experiments` of params.yaml."""

__all__ = [
    "Experiment",
    "Folds",
    "Mixture",
    "Patch",
    "Pixels",
    "Precision",
    "Rows",
    "Runtime",
    "Score",
    "Split",
    "Train",
]

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from whitepatch.params.base import Count, Index, Name, Seed, Strict
from whitepatch.params.sources import Sources

Precision: TypeAlias = Literal["fp32", "tf32", "bf16"]


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

    def numbers(self) -> dict[str, int]:
        """Return how many images each part has."""
        return {name: len(rows) for name, rows in self.parts().items()}

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


class Folds(Strict):
    """A split by scenes, dealt into folds: seed s is tested on fold s, see `data.rows`."""

    folds: Annotated[int, Field(ge=3, le=255)]
    train: Count
    validation: Count
    test: Count

    def numbers(self) -> dict[str, int]:
        """Return how many images each part has."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def _kind_of_split(split: object) -> str:
    folds = isinstance(split, Folds) or (isinstance(split, dict) and "folds" in split)
    return "by folds" if folds else "by rows"


class Mixture(Strict):
    """Patches of several sizes and contrasts, every pair as frequent."""

    sizes: Annotated[tuple[Annotated[int, Field(gt=0, lt=96)], ...], Field(min_length=1)]
    contrasts: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]


class Patch(Strict):
    """The patches, and the plan of who gets them and where."""

    plan: Literal["per_image", "per_batch"]
    task: Literal["detect", "compare", "arrange"]
    ground: Literal["pictures", "noise"]
    seed: Seed
    probability: Annotated[float, Field(ge=0, le=1)]
    size: Annotated[int, Field(gt=0, lt=96)]
    positions: Count
    value: Annotated[float, Field(ge=-1000, le=1000)]
    contrast: Annotated[float, Field(gt=0, le=1)]
    mixture: Mixture | None
    distractor: Annotated[float, Field(ge=-1000, le=1000)] | None

    @model_validator(mode="after")
    def _fits(self) -> "Patch":
        if self.positions - 1 + self.size > 96:
            raise ValueError(
                f"positions - 1 + size must be at most 96 pixels, "
                f"got {self.positions} - 1 + {self.size}"
            )
        if self.plan == "per_batch" and (self.probability, self.task) != (0.5, "detect"):
            raise ValueError(
                f"per_batch detects, and tosses a fair coin: 0.5, got {self.task}, "
                f"{self.probability}"
            )
        return self

    @model_validator(mode="after")
    def _task_has_room(self) -> "Patch":
        special = [key for key in ("mixture", "distractor") if getattr(self, key) is not None]
        if len(special) > 1:
            raise ValueError("a mixture has no distractor; set one of them to null")
        if special and (self.plan, self.task) != ("per_image", "detect"):
            raise ValueError(f"{special[0]} is for per_image and the task detect alone")
        # two patches keep apart, or within the rows and columns of the task
        least = {"compare": 49, "arrange": 85}.get(self.task, 1)
        if self.distractor is not None:
            least = self.size + 1
        if self.positions < least:
            raise ValueError(
                f"positions must be at least {least} for two patches, got {self.positions}"
            )
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


def _named(source: str) -> str:
    """Return the name of a source if it is one."""
    if source not in Sources.model_fields:
        raise ValueError(f"must be one of {', '.join(Sources.model_fields)}")
    return source


class Experiment(Strict):
    """Images and protocol, and the variants in the order of tables and figures."""

    source: Annotated[str, AfterValidator(_named)]
    variants: Annotated[tuple[Name, ...], Field(min_length=1)]
    runtime: Runtime
    split: Annotated[
        Annotated[Split, Tag("by rows")] | Annotated[Folds, Tag("by folds")],
        Discriminator(_kind_of_split),
    ]
    patch: Patch
    pixels: Pixels
    train: Train
    score: Score

    @model_validator(mode="after")
    def _variants_differ(self) -> "Experiment":
        if len(set(self.variants)) < len(self.variants):
            raise ValueError(f"variants must differ, got {list(self.variants)}")
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> "Experiment":
        numbers = self.split.numbers()
        if self.train.choose not in numbers:
            raise ValueError("train.choose is validation, but split.validation is null")
        if self.train.batch_size > numbers["train"]:
            raise ValueError(
                f"train.batch_size must be at most the {numbers['train']} images of "
                f"split.train, got {self.train.batch_size}"
            )
        if self.score.first + self.score.images > numbers["test"]:
            raise ValueError(
                f"score.first + score.images must be at most the {numbers['test']} images of "
                f"split.test, got {self.score.first} + {self.score.images}"
            )
        if self.patch.task == "compare" and numbers["test"] % 4:
            raise ValueError(
                f"compare tests every picture four times; split.test must be a multiple of 4, got "
                f"{numbers['test']} images"
            )
        if (self.source == "stl10") == isinstance(self.split, Folds):
            raise ValueError(
                "the split must be by rows for stl10, and by folds for every other source"
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
