"""Which images the losses come from: image by image, and by photograph."""

__all__ = ["Losses", "by_subject", "hardest"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from whitepatch.report.numbers import Number, Source, logits
from whitepatch.report.results import Results

HARDEST = 10
"""How many of the images with the highest losses are shown."""


@dataclass(frozen=True)
class Losses:
    """Losses and decisions of the chosen epochs on the test images.

    Attributes:
        variants: [V], their names.
        losses: [V, S, N], nats from logits, of every variant, seed and image.
        correct: [V, S, N], whether the decision was right.
        subjects: [N], what each image shows: its photograph, or its class.
        sources: What the subjects come from.
    """

    variants: Sequence[str]
    losses: NDArray[np.float64]
    correct: NDArray[np.bool_]
    subjects: NDArray[np.str_]
    sources: tuple[Source, ...]

    @classmethod
    def of(
        cls, maps: Mapping[str, Mapping[str, Any]], subjects: Sequence[str], *sources: Source
    ) -> "Losses":
        """Compute them from what the evaluations saved, by variant.

        Args:
            maps: `logits` [S, N] and `labels` [N], 0 or 1, of each variant.
            subjects: [N]
            *sources: What the subjects come from.
        """
        logits = np.stack([saved["logits"] for saved in maps.values()]).astype(float)
        patched = next(iter(maps.values()))["labels"] > 0
        losses = np.logaddexp(0, np.where(patched, -logits, logits))
        return cls(list(maps), losses, (logits > 0) == patched, np.array(subjects), sources)

    def by_image(self) -> NDArray[np.float64]:
        """Return the mean loss of each image over variants and seeds, [N], nats."""
        return self.losses.mean(axis=(0, 1))

    def hardest(self) -> NDArray[np.int64]:
        """Return the places of the images with the highest mean losses, the hardest first."""
        return np.argsort(-self.by_image(), kind="stable")[:HARDEST]

    def shares(self, chosen: NDArray[Any]) -> NDArray[np.float64]:
        """Return the share of the loss of all seeds that some images have, by variant, [V]."""
        return self.losses[..., chosen].sum(axis=(1, 2)) / self.losses.sum(axis=(1, 2))

    def in_order(self) -> list[str]:
        """Return the subjects, the one with the highest loss per image first."""
        mean = pd.Series(self.by_image()).groupby(self.subjects).mean()
        return [str(name) for name in mean.sort_values(ascending=False, kind="stable").index]

    def table(self) -> pd.DataFrame:
        """Return one row a variant and subject: images, accuracy, loss and its share.

        Columns: `variant`, `shows`, `num_images`, and over all seeds `accuracy`, `loss` (mean,
        nats) and `share` of the variant's whole loss.
        """
        rows = []
        for place, variant in enumerate(self.variants):
            for name in self.in_order():
                chosen = self.subjects == name
                rows.append(
                    {
                        "variant": variant,
                        "shows": name,
                        "num_images": chosen.sum(),
                        "accuracy": self.correct[place][:, chosen].mean(),
                        "loss": self.losses[place][:, chosen].mean(),
                        "share": self.shares(chosen)[place],
                    }
                )
        return pd.DataFrame(rows)


def by_subject(results: Results, losses: Losses) -> list[list[Number | str]]:
    """Return a row for each subject, then one for the images with the highest mean losses.

    Cells: the subject, how many images, their accuracy, and the share of each variant's loss.
    """
    parts = {name: losses.subjects == name for name in losses.in_order()}
    rows = [[name, *_cells(results, losses, chosen)] for name, chosen in parts.items()]
    return [*rows, ["*the hardest images*", *_cells(results, losses, losses.hardest())]]


def _cells(results: Results, losses: Losses, chosen: NDArray[Any]) -> list[Number | str]:
    every = (*losses.sources, *logits("*", results.name))
    form = "mean of all variants and seeds"
    accuracy = losses.correct[..., chosen].mean()
    return [
        Number.count(losses.subjects[chosen].size, *every),
        Number.fixed(accuracy, 3, *every, form=form),
        *(Number.percent(share, *every) for share in losses.shares(chosen)),
    ]


def hardest(results: Results, losses: Losses) -> dict[str, Any]:
    """Return what is said of the images with the highest mean losses.

    Returns:
        `number` of them; how many `of_it` show the `subject` that most do; the `lowest` and
        `highest` share of a variant's loss that they have, each with its `title`.
    """
    chosen, every = losses.hardest(), logits("*", results.name)
    shown = pd.Series(losses.subjects[chosen]).value_counts()
    shares = losses.shares(chosen)
    return {
        "number": Number.count(len(chosen), Source("src/whitepatch/report/losses.py", "HARDEST")),
        "subject": str(shown.index[0]),
        "of_it": Number.count(int(shown.iloc[0]), *losses.sources, *every),
        **{
            which: {
                "title": results.titles[losses.variants[int(place)]],
                "share": Number.percent(shares[place], *every, form=f"the {which} share"),
            }
            for which, place in (("lowest", shares.argmin()), ("highest", shares.argmax()))
        },
    }
