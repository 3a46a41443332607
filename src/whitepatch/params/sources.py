"""Where images come from: `sources` and `download` of params.yaml."""

__all__ = ["Crops", "Download", "Folder", "Member", "Photos", "Sources", "Stl10"]

from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from whitepatch.errors import UserError
from whitepatch.params.base import Count, Name, Seed, Strict

IMAGE_BYTES = 3 * 96 * 96
SCENES = 255
"""At most; a scene's number is a label, and a label is a byte, from 1."""
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif")
"""What files of one's own photographs are called."""


class Crops(Strict, ABC):
    """How scenes are cut into crops."""

    seed: Seed
    sides: Annotated[tuple[Annotated[int, Field(ge=16)], ...], Field(min_length=1)]
    # of each scene; a crop takes 28 kB of memory
    crops: Annotated[int, Field(gt=0, le=1000)]

    @abstractmethod
    def names(self) -> list[str]:
        """Return the scenes' names, in order; a crop's label is its scene's place, from 1."""


class Photos(Crops):
    """The source `photos`: crops of photographs that installed packages carry."""

    scenes: Annotated[
        dict[Name, Annotated[tuple[Name, ...], Field(min_length=1)]], Field(min_length=1)
    ]

    @model_validator(mode="after")
    def _scenes_do_not_meet(self) -> "Photos":
        number = Counter(name for names in self.scenes.values() for name in names)
        if twice := sorted(name for name in number if number[name] > 1):
            raise ValueError(f"a photograph belongs to one scene only; {', '.join(twice)} to more")
        return self

    @model_validator(mode="after")
    def _labels_suffice(self) -> "Photos":
        if len(self.scenes) > SCENES:
            raise ValueError(f"scenes must be at most {SCENES}, got {len(self.scenes)}")
        return self

    def names(self) -> list[str]:
        """Return the scenes' names, in order; a crop's label is its scene's place, from 1."""
        return list(self.scenes)


class Folder(Crops):
    """The source `mine`: crops of the photographs in a folder of one's own."""

    folder: Annotated[str, Field(min_length=1)]

    def found(self) -> dict[str, tuple[Path, ...]]:
        """Return the scenes that the folder has now, sorted by name, with their pictures.

        A file in the folder is a scene. So is a folder in it, all files of which belong together.
        What is hidden is passed over.

        Raises:
            UserError: The folder is missing, empty or too full, or holds what is no picture.
        """
        root = Path(self.folder).expanduser()
        if not root.is_dir():
            raise UserError(f"sources.mine.folder: there is no folder {root}; make it, or mend it")
        scenes = {
            path.name: tuple(_listed(path)) if path.is_dir() else (path,) for path in _listed(root)
        }
        for name, pictures in scenes.items():
            for picture in pictures:
                if picture.is_dir() or picture.suffix.lower() not in PICTURES:
                    raise UserError(
                        f"sources.mine.folder: {picture} must be a file of {', '.join(PICTURES)}; "
                        "take it out"
                    )
            if not pictures:
                raise UserError(f"sources.mine.folder: {root / name} is empty; take it out")
        if not 1 <= len(scenes) <= SCENES:
            raise UserError(
                f"sources.mine.folder: {root} must have 1 to {SCENES} scenes, got {len(scenes)}"
            )
        return scenes

    def names(self) -> list[str]:
        """Return the scenes' names, in order; a crop's label is its scene's place, from 1."""
        return list(self.found())


def _listed(folder: Path) -> list[Path]:
    """Return what lies in a folder and is not hidden, sorted by name."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


class Member(Strict):
    """A file in an archive."""

    name: Annotated[str, Field(pattern=r"^[^/].*$")]
    bytes: Count
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Stl10(Strict):
    """The source `stl10`: the four labelled members of its archive."""

    train_X: Member  # noqa: N815 -- the name of STL-10's own file
    train_y: Member
    test_X: Member  # noqa: N815 -- the same
    test_y: Member

    def members(self) -> dict[str, Member]:
        """Return the members by the name of the file that each becomes."""
        return {f"{key}.bin": getattr(self, key) for key in type(self).model_fields}

    @model_validator(mode="after")
    def _sizes_agree(self) -> "Stl10":
        for file in ("train", "test"):
            images, labels = getattr(self, f"{file}_X"), getattr(self, f"{file}_y")
            if images.bytes != labels.bytes * IMAGE_BYTES:
                raise ValueError(
                    f"{file}_X.bytes must be {IMAGE_BYTES} (3x96x96) for each of the "
                    f"{labels.bytes} bytes of {file}_y, got {images.bytes}"
                )
        return self

    def num_rows(self, file: Literal["train", "test"]) -> int:
        """Return the number of images in a file of this source."""
        return self.test_y.bytes if file == "test" else self.train_y.bytes


class Sources(Strict):
    """Where images come from; each is a package of its name in `sources`.

    `mine` is left out of params.yaml by who has no photographs of their own.
    """

    stl10: Stl10
    photos: Photos
    mine: Folder | None = None

    def named(self, name: str) -> Stl10 | Crops:
        """Return the parameters of a source; one that params.yaml leaves out is a `ValueError`."""
        found: Stl10 | Crops | None = getattr(self, name)
        if found is None:
            raise ValueError(f"sources has no {name}; docs/photographs.md says how to add it")
        return found


class Download(Strict):
    """How an archive is fetched; nothing here can move a result."""

    urls: Annotated[
        tuple[Annotated[str, Field(pattern=r"^https?://")], ...],
        Field(min_length=1),
    ]
    archive: Annotated[str, Field(min_length=1)]
    connect_timeout: Annotated[float, Field(gt=0)]
    stall_timeout: Annotated[float, Field(gt=0)]
    tries: Count
    pause: Annotated[float, Field(gt=0, le=30)]
