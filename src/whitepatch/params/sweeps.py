"""Grids over parameters: `sweeps` of params.yaml."""

__all__ = ["Condition", "Sweep"]

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import Field, ValidationError, model_validator

from whitepatch.params.base import Name, Seed, Strict
from whitepatch.params.experiment import Experiment

Level: TypeAlias = dict[str, Any]
"""One or several dotted keys of an experiment, and their values."""

Axes: TypeAlias = dict[Name, Annotated[tuple[Level, ...], Field(min_length=1)]]
"""Levels by axis."""

OF_TRAINING = ("patch.", "pixels.", "split.", "train.")
OF_TEST = ("patch.", "pixels.")
"""Beginnings of the keys that an axis may set."""

NO_MAPS = {"first": 0, "images": 1, "panel": 1, "movers": 1, "grid": 2}
"""A sweep keeps none, so what an experiment says of them must not bar a level."""


@dataclass(frozen=True)
class Condition:
    """A combination of levels.

    Attributes:
        levels: The keys that it sets, and their values.
        experiment: On top of which it sets them.
    """

    levels: Mapping[str, Any]
    experiment: Experiment


class Sweep(Strict):
    """Variants trained and tested under every combination of levels.

    Attributes:
        experiment: What the levels stand on top of.
        variants: Which are trained; they need not be the experiment's.
        seeds: Of each training; the experiment's own do not count.
        sets: What all levels share: keys that it sets in the experiment.
        axes: Of training, and so of the test, too.
        test: Further axes of the test alone; they train nothing.
    """

    experiment: Name
    variants: Annotated[tuple[Name, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]
    sets: Level
    axes: Axes
    test: Axes

    @model_validator(mode="after")
    def _keys_are_free(self) -> "Sweep":
        seen = self._allowed("sets", self.sets, OF_TRAINING)
        for axes, allowed in ((self.axes, OF_TRAINING), (self.test, OF_TEST)):
            for axis, levels in axes.items():
                keys = set(levels[0])
                for level in levels:
                    if set(level) != keys or not keys:
                        raise ValueError(f"levels of the axis {axis} must set the same keys")
                    if levels.count(level) > 1:
                        raise ValueError(f"levels of the axis {axis} must differ, got {level}")
                keys = self._allowed(axis, keys, allowed)
                twice = keys & seen
                if twice and axes is self.axes:
                    raise ValueError(f"{axis}: another axis sets {sorted(twice)[0]}, too")
                seen |= keys
        return self

    @staticmethod
    def _allowed(where: str, keys: Iterable[str], allowed: tuple[str, ...]) -> set[str]:
        for key in sorted(keys):
            if not key.startswith(allowed) or key == "train.seeds":
                raise ValueError(f"{where}: {key} is none of {', '.join(allowed)}")
        return set(keys)

    def trainings(self, experiment: Experiment) -> list[Condition]:
        """Return what is trained with every seed.

        Raises:
            ValueError: A combination is impossible; names it and the rule.
        """
        found = _conditions(self.axes, experiment, {**self.sets, "train.seeds": list(self.seeds)})
        if len({it.experiment.split.numbers()["test"] for it in found}) > 1:
            raise ValueError("levels must leave as many test images as one another")
        return found

    def tests(self, training: Condition) -> list[Condition]:
        """Return how each of its networks is tested, with the levels of the test alone.

        Raises:
            ValueError: A combination is impossible; names it and the rule.
        """
        return _conditions(self.test, training.experiment, {})


def _conditions(axes: Axes, experiment: Experiment, sets: Level) -> list[Condition]:
    found = []
    for combination in itertools.product(*axes.values()):
        levels = {key: value for level in combination for key, value in level.items()}
        content = experiment.model_dump(mode="json") | {"score": NO_MAPS}
        for key, value in {**sets, **levels}.items():
            _set(content, key, value)
        try:
            changed = Experiment.model_validate_json(json.dumps(content))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(it) for it in first["loc"] if it not in ("by rows", "by folds"))
            raise ValueError(
                f"{levels}: {where}: {first['msg'].removeprefix('Value error, ')}"
            ) from None
        found.append(Condition(levels, changed))
    return found


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        content = content.get(parent)  # type: ignore[assignment]
        if not isinstance(content, dict):
            raise ValueError(f"{key}: there is no section {parent} here")
    content[last] = value
