"""Which images the losses come from: image by image, and by photograph."""

__all__ = ["Losses", "by_subject", "hardest"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from whitepatch.claims.crossed import Images
from whitepatch.report.numbers import Number, Source, logits
from whitepatch.report.results import Results

HARDEST = 10
"""How many of the images with the highest losses are shown."""


@dataclass(frozen=True)
class Losses:
    """Losses and decisions of the chosen epochs on the test images of every seed.

    A seed may have its own test images, and its own patches on them. An image is known by its row.

    Attributes:
        variants: [V], their names.
        losses: [V, S, N], nats from logits, of every variant, seed and image.
        correct: [V, S, N], whether the decision was right.
        rows: [S, N], of the source's file.
        subjects: [S, N], what each image shows: its scene, or its class.
        sources: What the subjects come from.
    """

    variants: Sequence[str]
    losses: NDArray[np.float64]
    correct: NDArray[np.bool_]
    rows: NDArray[np.int64]
    subjects: NDArray[np.str_]
    sources: tuple[Source, ...]

    @classmethod
    def of(
        cls, maps: Mapping[str, Mapping[str, Any]], subjects: NDArray[np.str_], *sources: Source
    ) -> "Losses":
        """Compute them from what the evaluations saved, by variant.

        Args:
            maps: `logits`, `labels`, 0 or 1, and `rows` of each variant, [S, N].
            subjects: [S, N]
            *sources: What the subjects come from.
        """
        logits = np.stack([saved["logits"] for saved in maps.values()]).astype(float)
        some = next(iter(maps.values()))
        patched = some["labels"] > 0
        losses = np.logaddexp(0, np.where(patched, -logits, logits))
        return cls(
            list(maps), losses, (logits > 0) == patched, some["rows"], np.array(subjects), sources
        )

    @property
    def images(self) -> Images:
        """Seed and scene of each image, [S * N].

        Where all seeds test the same images, each is a scene of its own; where each has its own, of
        a few scenes, it is what they show.
        """
        shared = (self.rows == self.rows[0]).all()
        seeds = np.arange(len(self.rows)).repeat(self.rows.shape[1])
        return Images(seeds, (self.rows if shared else self.subjects).ravel())

    def by_image(self) -> "pd.Series[float]":
        """Return the mean loss of each image over variants and the seeds that have it, by row."""
        mean = pd.Series(self.losses.mean(axis=0).ravel())
        return mean.groupby(self.rows.ravel()).mean()

    def hardest(self) -> list[int]:
        """Return the rows of the images with the highest mean losses, the hardest first."""
        found = self.by_image().sort_values(ascending=False, kind="stable")
        return [int(row) for row in found.index[:HARDEST]]

    def worst(self, row: int) -> tuple[int, int]:
        """Return where an image has its highest loss: the place of the seed, and its own there."""
        mean = np.where(self.rows == row, self.losses.mean(axis=0), -1)
        seed, place = np.unravel_index(mean.argmax(), mean.shape)
        return int(seed), int(place)

    def are_hardest(self) -> NDArray[np.bool_]:
        """Return which images are among the hardest, [S, N]."""
        return np.isin(self.rows, self.hardest())

    def shares(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the share of all seeds' loss that some images [S, N] have, by variant, [V]."""
        return self.losses[:, chosen].sum(axis=1) / self.losses.sum(axis=(1, 2))

    def count(self, chosen: NDArray[np.bool_]) -> int:
        """Return how many different images some images [S, N] are."""
        return len(np.unique(self.rows[chosen]))

    def in_order(self) -> list[str]:
        """Return the subjects, the one with the highest loss per image first."""
        mean = pd.Series(self.losses.mean(axis=0).ravel()).groupby(self.subjects.ravel()).mean()
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
                        "num_images": self.count(chosen),
                        "accuracy": self.correct[place][chosen].mean(),
                        "loss": self.losses[place][chosen].mean(),
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
    return [*rows, ["*the hardest images*", *_cells(results, losses, losses.are_hardest())]]


def _cells(results: Results, losses: Losses, chosen: NDArray[np.bool_]) -> list[Number | str]:
    every = (*losses.sources, *logits("*", results.name))
    form = "mean of all variants and seeds"
    accuracy = losses.correct[:, chosen].mean()
    return [
        Number.count(losses.count(chosen), *every),
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
    shown = pd.Series([losses.subjects[losses.worst(row)] for row in chosen]).value_counts()
    shares = losses.shares(losses.are_hardest())
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
