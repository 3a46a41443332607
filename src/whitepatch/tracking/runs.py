"""One run as it should stand in MLflow."""

__all__ = ["Run", "Series", "is_live", "is_shown"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whitepatch.tracking import store
from whitepatch.tracking.models import Model
from whitepatch.tracking.store import COMPLETE, DIGEST, TRAINING

Series = Mapping[str, Sequence[tuple[int, float]]]
"""(step, value) by metric."""


@dataclass(frozen=True)
class Run:
    """One run as it should stand in MLflow.

    Attributes:
        key: What it is, unique in its experiment, the same for ever.
        digest: Of all files and numbers that it shows, hexadecimal.
        name: What people read.
        description: Markdown.
        tags: Further tags.
        params: Parameters.
        series: Metrics by epoch.
        metrics: Final metrics.
        dataset: Name and digest of the images.
        origin: Returns tags that say where it comes from; called only if the run is to be written,
            so the digest does not know them.
        training: Digest of what training alone left, by which a live run is known; may be empty.
        model: The network, where it is one to be loaded from MLflow.
        attach: Writes the run's artifacts into a folder; called only if the run is to be written.
        is_current: Says whether all files that it shows are still as they were when it was read;
            called when it has been written.
    """

    key: str
    digest: str
    name: str
    description: str
    attach: Callable[[Path], None]
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    series: Series = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: tuple[str, str] | None = None
    origin: Callable[[], Mapping[str, str]] = dict
    training: str = ""
    model: Model | None = None
    is_current: Callable[[], bool] = lambda: True


def is_shown(found: Any, run: Run) -> bool:
    """Say whether a run of MLflow is this one, whole."""
    tags = found.data.tags
    return bool(tags.get(DIGEST) == run.digest and tags.get(COMPLETE) == "true")


def is_live(found: Any, run: Run) -> bool:
    """Say whether a run is what a training showed of itself, and this very training."""
    tags, params = found.data.tags, {name: str(value) for name, value in run.params.items()}
    return bool(
        run.training
        and tags.get(TRAINING) == run.training
        and COMPLETE not in tags
        and not store.is_written(found)
        and all(params.get(name) == value for name, value in found.data.params.items())
    )
