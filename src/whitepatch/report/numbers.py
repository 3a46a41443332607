"""Every number on a page, and where it comes from.

A page prints no bare number. What it prints is a `Number`: its text, the form that made the text,
and the inputs that it was computed from, as file and key. Both are patterns: `metrics/*.json` and
`seeds.*.test.accuracy` name the accuracy of all seeds of all variants. `page` prints it and writes
it down; `numbers.csv` is what was written down. What rounds to zero is printed without a minus.
"""

__all__ = ["LEDGER", "Number", "Source", "constant", "history", "logits", "parameter", "seeds"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import ArrayLike

from whitepatch.claims.crossed import Crossed
from whitepatch.claims.statistics import Interval

LEDGER = ("page", "place", "text", "form", "file", "key")
"""The columns of numbers.csv."""


RATIOS = (
    (0.05, "hardly anything beside"),
    (0.15, "about a tenth of"),
    (0.225, "about a fifth of"),
    (0.29, "about a quarter of"),
    (0.415, "about a third of"),
    (0.585, "about half of"),
    (0.71, "about two thirds of"),
    (0.85, "about three quarters of"),
    (0.95, "a little below"),
    (1.05, "about the same as"),
    (1.15, "a little above"),
)
"""Below which ratio, what it is called; from the last on it is told in digits."""


@dataclass(frozen=True)
class Source:
    """Inputs of a number.

    Attributes:
        file: Relative to the experiment's folder of reports, or to the project's root.
        key: In the file, its parts joined by points.
    """

    file: str
    key: str

    def covers(self, file: str, key: str) -> bool:
        """Say whether a key of a file is one of these inputs; a star stands for one part of it."""
        parts, patterns = key.split("."), self.key.split(".")
        return (
            fnmatchcase(file, self.file)
            and len(parts) == len(patterns)
            and all(map(fnmatchcase, parts, patterns))
        )


@dataclass(frozen=True)
class Number:
    """A number as the page prints it.

    Attributes:
        text: What is printed.
        form: How it was made of its inputs.
        sources: The inputs.
    """

    text: str
    form: str
    sources: tuple[Source, ...]

    @classmethod
    def count(cls, value: int, *sources: Source, form: str = "count") -> "Number":
        """A whole number, with commas between thousands."""
        return cls(f"{value:,}", form, sources)

    @classmethod
    def fixed(
        cls, value: float, digits: int, *sources: Source, form: str = "value", signed: bool = False
    ) -> "Number":
        """A number with so many decimals; a dash for one that is not there."""
        text = f"{value:{'+' if signed else ''}z.{digits}f}" if np.isfinite(value) else "–"
        return cls(text, f"{form}, {digits} decimals", sources)

    @classmethod
    def percent(cls, share: float, *sources: Source, form: str = "share") -> "Number":
        """A share in whole percent."""
        return cls(f"{100 * share:.0f} %", f"{form}, whole percent", sources)

    @classmethod
    def signed(cls, value: float, significant: int, *sources: Source) -> "Number":
        """A difference, with its sign, to so many significant digits."""
        form = f"difference, {significant} significant digits"
        return cls(f"{value:+#.{significant}g}", form, sources)

    @classmethod
    def spread(cls, seeds: ArrayLike, digits: int, *sources: Source) -> "Number":
        """`mean ± standard deviation` of some seeds (n - 1), or the value of a single one."""
        values = np.asarray(seeds, float)
        mean = f"{values.mean():z.{digits}f}"
        if len(values) < 2:
            return cls(mean, f"value, {digits} decimals", sources)
        form = f"mean ± standard deviation of {len(values)} seeds, {digits} decimals"
        return cls(f"{mean} ± {values.std(ddof=1):.{digits}f}", form, sources)

    @classmethod
    def ranged(cls, interval: Interval, digits: int, *sources: Source) -> "Number":
        """`mean [low, high]`, or the mean alone where there is no interval."""
        ends = (interval.mean, interval.low, interval.high)
        mean, low, high = (f"{x:z.{digits}f}" for x in ends)
        if np.isnan(interval.low):
            return cls(mean, f"mean of {interval.num_seeds} seeds, {digits} decimals", sources)
        form = f"mean [BCa interval] of {interval.num_seeds} seeds, {digits} decimals"
        return cls(f"{mean} [{low}, {high}]", form, sources)

    @classmethod
    def crossed(
        cls, found: Crossed, digits: int, *sources: Source, signed: bool = False
    ) -> "Number":
        """`value [low, high]`, the interval over seeds and scenes."""
        sign = "+" if signed else ""
        value, low, high = (f"{x:{sign}z.{digits}f}" for x in (found.value, found.low, found.high))
        form = f"value [crossed interval] of {found.num_seeds} seeds, {digits} decimals"
        return cls(f"{value} [{low}, {high}]", form, sources)

    @classmethod
    def times(cls, value: float, other: float, *sources: Source) -> "Number":
        """How a number compares with another, both at least 0, in words that "that of" follows."""
        if not value or not other:
            words = "above zero, unlike" if value else "zero, unlike" if other else "zero, like"
        else:
            ratio = value / other
            words = next((words for most, words in RATIOS if ratio < most), f"{ratio:.1f} times")
        return cls(words, "ratio of two means", sources)

    def below(self, folder: str) -> "Number":
        """Return the number with its sources named from the folder above an experiment's."""
        sources = (replace(source, file=f"{folder}/{source.file}") for source in self.sources)
        return replace(self, sources=tuple(sources))

    def origin(self) -> str:
        """Return file and key of every source, for people."""
        return "; ".join(f"{source.file}: {source.key}" for source in self.sources)

    def ledger(self, page: str, place: int) -> list[Sequence[str | int]]:
        """Return a row of `LEDGER` for each source."""
        return [
            (page, place, self.text, self.form, source.file, source.key) for source in self.sources
        ]


def seeds(variant: str, *keys: str) -> tuple[Source, ...]:
    """Return what the evaluation of a variant, or of `*`, has of every seed."""
    return tuple(Source(f"metrics/{variant}.json", f"seeds.*.{key}") for key in keys)


def history(variant: str, column: str) -> Source:
    """Return a column of the history of a variant, or of `*`."""
    return Source(f"history/{variant}.csv", column)


def logits(variant: str, experiment: str) -> tuple[Source, ...]:
    """Return what the losses of a variant, or of `*`, image by image, are computed from."""
    split = f"data/split/{experiment}.csv"
    return Source(f"maps/{variant}.npz", "logits"), Source(split, "label")


def parameter(experiment: str, key: str) -> Source:
    """Return a parameter of an experiment."""
    return Source("params.yaml", f"experiments.{experiment}.{key}")


def constant(module: str, name: str) -> Source:
    """Return a constant of a module of `claims`."""
    return Source(f"src/whitepatch/claims/{module}.py", name)
