"""Real photographs that installed packages carry, as crops of 96x96 pixels.

Which, whose, and how they are cut: docs/photographs.md.
"""

__all__ = ["describe", "drawable", "subjects", "write"]

from collections.abc import Sequence
from pathlib import Path

from whitepatch.params import Params
from whitepatch.sources import Origin, cropping
from whitepatch.sources.photos.catalogue import PHOTOGRAPHS, read


def write(folder: Path, params: Params) -> None:
    """Write the crops of all scenes into an existing folder, as one pool: the train file.

    Raises:
        UserError: A photograph is unknown, missing, not the one that was pinned, or too small.
    """
    cropping.write(folder, params.sources.photos, params.sources.photos.scenes, read)


def subjects(labels: Sequence[int], params: Params) -> list[str]:
    """Return the scenes that crops were cut from, by their numbers."""
    names = params.sources.photos.names()
    return [names[label - 1] for label in labels]


def drawable(labels: Sequence[int], params: Params) -> list[bool]:
    """Say which crops a committed figure may show: of scenes whose photographs have an origin."""
    scenes = params.sources.photos.scenes
    known = {
        scene: all(PHOTOGRAPHS[name].origin != "unknown" for name in photographs)
        for scene, photographs in scenes.items()
    }
    return [known[scene] for scene in subjects(labels, params)]


def describe(params: Params) -> Origin:
    """Say what the images are."""
    number = len(params.sources.photos.scenes)
    return Origin(
        f"crops of real photographs, of {number} scenes, that installed packages carry, "
        "a stand-in for STL-10",
        stand_in=True,
    )
