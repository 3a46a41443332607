"""The second edition's questions: what the sweeps that have run say of them."""

__all__ = ["Questions"]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whitepatch.claims.hypotheses import Judged, judge
from whitepatch.claims.predictions import CEILING, PREDICTIONS, Quantity, sweep_of
from whitepatch.claims.swept import Swept, measured
from whitepatch.figures.tasks import Task
from whitepatch.report.numbers import Number, Source, constant

SMALL = {"patch.size": 4.0}
"""The size, pixels, that the predictions speak of."""

LEARNED = 0.3
"""Training loss of the chosen epoch, nats, below which a seed has learned at all."""

TASKS = {
    "size": "see 4×4 pixels",
    "compare": "compare two places",
    "arrange-noise": "know places, on noise",
    "arrange-pictures": "know places, on pictures",
}
"""The sweeps of figure 2, and what people call their tasks."""

ASKED = {
    "compare": ("opposite colours", "one colour"),
    "arrange-noise": ("in two rows", "in one row"),
}
"""What the labels 0 and 1 of a task are called."""


@dataclass(frozen=True)
class Questions:
    """What has been asked.

    Attributes:
        sweeps: Those that have run, by name.
        titles: What to call each variant, in order.
    """

    sweeps: Mapping[str, Swept]
    titles: Mapping[str, str]

    @property
    def constants(self) -> dict[str, Number | list[Number]]:
        """What the page names of the rules, and the sizes that were trained, pixels."""
        sizes = Source("sweeps/size.csv", "patch.size")
        return {
            "ceiling": Number.fixed(CEILING, 2, constant("predictions", "CEILING")),
            "predictions": Number.count(len(PREDICTIONS), constant("predictions", "PREDICTIONS")),
            "learned": Number.fixed(
                LEARNED, 1, Source("src/whitepatch/report/questions.py", "LEARNED")
            ),
            "sizes": [Number.count(int(it), sizes) for it in self.sizes()],
        }

    @cached_property
    def judged(self) -> list[Judged[Quantity]]:
        """What came of every prediction."""
        return judge(PREDICTIONS, measured(self.sweeps))

    def outcomes(self, group: str) -> dict[str, list[str]]:
        """Return the variants that the predictions of a group are of, by outcome."""
        found: dict[str, list[str]] = {}
        for it in self.judged:
            if it.hypothesis.group == group:
                variant = it.hypothesis.statements[0].quantity.variant
                found.setdefault(it.outcome, []).append(variant)
        return found

    def holds(self, *groups: str) -> bool:
        """Say whether all predictions of some groups hold."""
        return all(set(self.outcomes(group)) == {"holds"} for group in groups)

    def called(self, variants: list[str]) -> str:
        """Return what people call some variants, as a list in a sentence."""
        return "; ".join(self.titles.get(name, name) for name in variants)

    def variants(self, sweep: str) -> list[str]:
        """Return the variants of a sweep, in the order of tables."""
        there = set(self.sweeps[sweep].table["variant"])
        return [name for name in self.titles if name in there]

    def accuracy(self, sweep: str, variant: str, **levels: float) -> Number:
        """Return the test accuracy of a variant with its interval."""
        found = self.sweeps[sweep].accuracy(variant, levels=levels)
        return Number.crossed(found, 2, Source(f"sweeps/{sweep}.npz", "logits"))

    def reached(self, sweep: str, variant: str, levels: Mapping[str, float]) -> Number:
        """Return the same without its interval."""
        found = self.sweeps[sweep].accuracy(variant, levels=levels)
        return Number.fixed(found.value, 2, Source(f"sweeps/{sweep}.npz", "logits"))

    def by_size(self, variant: str) -> list[Number]:
        """Return the test accuracy of a variant, size by size."""
        return [self.accuracy("size", variant, **{"patch.size": it}) for it in self.sizes()]

    def sizes(self) -> list[float]:
        """Return the sizes that were trained, pixels."""
        there = self.sweeps.get("size")
        return sorted(there.table["patch.size"].unique()) if there else []

    def learned(self, variant: str, levels: Mapping[str, float]) -> Number:
        """Return how many seeds have learned patches of a size at all."""
        sweep = self.sweeps["size"]
        losses = sweep.table["train_loss"].to_numpy()[sweep.rows(variant, **levels)]
        return Number.count(int((losses < LEARNED).sum()), Source("sweeps/size.csv", "train_loss"))

    def learned_by_size(self, variant: str) -> list[Number]:
        """Return the same, size by size."""
        return [self.learned(variant, {"patch.size": it}) for it in self.sizes()]

    def num_seeds(self, sweep: str) -> Number:
        """Return how many seeds a sweep has."""
        number = self.sweeps[sweep].table["seed"].nunique()
        return Number.count(number, Source(f"sweeps/{sweep}.csv", "seed"))

    def predictions(self) -> list[list[str | Number]]:
        """Return a row for each prediction: its text, outcome, numbers, and adjusted p."""
        rows: list[list[str | Number]] = []
        for it in self.judged:
            where = Source(f"sweeps/{sweep_of(it.hypothesis)}.npz", "logits")
            numbers = [Number.crossed(one, 2, where) for one in it.numbers]
            p = Number.fixed(it.p, 3, where, form="p of the crossed bootstrap, Holm")
            text = it.hypothesis.text.format_map(_Titles(self.titles))
            rows.append([text, it.outcome, *numbers[:1], p] if numbers else [text, it.outcome])
        return rows

    def tasks(self) -> list[Task]:
        """Return what figure 2 shows."""
        found = []
        for name, title in TASKS.items():
            if name not in self.sweeps:
                continue
            sweep, levels = self.sweeps[name], SMALL if name == "size" else {}
            of = {v: sweep.accuracy(v, levels=levels) for v in self.variants(name)}
            seeds = {v: sweep.right(v, levels).mean(axis=1) for v in of}
            ends = {v: (it.low, it.high) for v, it in of.items()}
            found.append(Task(title, seeds, ends, CEILING if name == "compare" else None))
        return found

    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Return what was asked in pictures, [3, 96, 96] each, by what is to be written over it."""
        found = {}
        if "size" in self.sweeps:
            pictures = self.sweeps["size"].pictures
            sizes = [int(it) for it in self.sizes()]
            found["no patch"] = pictures[-1][0]
            for size in sorted({sizes[-1], min(sizes, key=lambda it: abs(it - 4))}, reverse=True):
                found[f"{size}×{size} pixels"] = pictures[sizes.index(size)][1]
        for sweep, words in ASKED.items():
            if sweep in self.sweeps:
                for label, word in enumerate(words):
                    found[word] = self.sweeps[sweep].pictures[0][label]
        return found


class _Titles(dict[str, str]):
    def __missing__(self, variant: str) -> str:
        return variant
