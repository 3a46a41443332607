"""The losses and accuracies of a variant, by seed and epoch, as a table that Git keeps."""

__all__ = ["smallest_losses", "table"]

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from whitepatch.training.loop import Row


def table(histories: Mapping[int, Sequence[Row]]) -> str:
    """Return histories, by seed, as CSV: a row for each seed and epoch, numbers of nine digits."""
    text = io.StringIO()
    rows = [
        {"seed": seed, **{key: f"{value:.9g}" for key, value in row.items()}}
        for seed, history in histories.items()
        for row in history
    ]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def smallest_losses(path: Path) -> dict[int, dict[str, float]]:
    """Return the article's two numbers for each seed of a table: the smallest losses over epochs.

    Returns:
        `min_train_loss` and `min_test_loss`, nats, by seed.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        seed: {
            f"min_{split}_loss": min(
                float(row[f"{split}_loss"]) for row in rows if int(row["seed"]) == seed
            )
            for split in ("train", "test")
        }
        for seed in dict.fromkeys(int(row["seed"]) for row in rows)
    }
