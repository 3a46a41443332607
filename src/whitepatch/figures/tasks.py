"""Which network can do which task."""

__all__ = ["Task", "tasks"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.figures import palette, style


@dataclass(frozen=True)
class Task:
    """What networks reach in a task.

    Attributes:
        title: Of the task.
        seeds: By variant, the test accuracy of every seed.
        ends: By variant, the ends of its interval.
        ceiling: The highest accuracy that a sum over places can have; None where there is none.
    """

    title: str
    seeds: Mapping[str, NDArray[np.float64]]
    ends: Mapping[str, tuple[float, float]]
    ceiling: float | None


def tasks(found: Sequence[Task], titles: Mapping[str, str]) -> Figure:
    """Draw test accuracies, a panel a task: dots are seeds, a stroke the mean, a line its interval.

    Args:
        found: The tasks, each with its own variants.
        titles: What to call each variant, in the order from top to bottom.
    """
    names = [name for name in titles if any(name in task.seeds for task in found)]
    figure = style.new(2.6 + 2.9 * max(len(found), 1), 1.5 + 0.42 * max(len(names), 1))
    row = figure.subplots(1, max(len(found), 1), sharey=True, squeeze=False)[0]
    if not found:
        row[0].text(0.5, 0.5, "no task has been asked", ha="center", va="center")
        return figure
    ceilings = any(task.ceiling is not None for task in found)
    for axes, task in zip(row, found, strict=True):
        axes.axvline(0.5, color=style.INK, ls=":", lw=1.2)
        if task.ceiling is not None:
            axes.axvline(task.ceiling, color=style.PATCH, ls="--", lw=1.6)
            axes.text(
                task.ceiling,
                -0.75,
                "sums over places\nend here",
                color=style.PATCH,
                ha="center",
                va="bottom",
                fontsize="small",
            )
        for place, name in enumerate(names):
            if name not in task.seeds:
                continue
            colour, seeds = palette.colour(name), task.seeds[name]
            axes.plot(task.ends[name], (place, place), color=colour, lw=2.5)
            axes.plot(seeds.mean(), place, "|", color=colour, ms=16, mew=3)
            axes.plot(seeds, np.full(len(seeds), place), "o", color=colour, ms=4.5, alpha=0.6)
        axes.set(xlim=(0.4, 1.02), xlabel="test accuracy")
        axes.set_title(task.title, pad=40 if ceilings else 12)
    row[0].set(yticks=range(len(names)), yticklabels=[titles[name] for name in names])
    row[0].set_ylim(len(names) - 0.5, -0.6)
    return figure
