"""Where images come from: `sources` and `download` of params.yaml."""

__all__ = ["Download", "Member", "PhotoGroup", "Photos", "Sources", "Stl10"]

from typing import Annotated, Literal

from pydantic import Field, model_validator

from whitepatch.params.base import Count, Name, Seed, Strict

IMAGE_BYTES = 3 * 96 * 96


class PhotoGroup(Strict):
    """How many crops are cut from which photographs."""

    # a crop takes 28 kB of memory
    crops: Annotated[int, Field(gt=0, le=100_000)]
    photographs: Annotated[tuple[Name, ...], Field(min_length=1)]


class Photos(Strict):
    """The source `photos`: crops of photographs that installed packages carry."""

    seed: Seed
    sides: Annotated[tuple[Annotated[int, Field(ge=16)], ...], Field(min_length=1)]
    darkest: Annotated[float, Field(gt=0, le=1)]
    swap_channels: bool
    train: PhotoGroup
    validation: PhotoGroup
    test: PhotoGroup

    @model_validator(mode="after")
    def _photographs_do_not_meet(self) -> "Photos":
        names = [*self.train.photographs, *self.validation.photographs, *self.test.photographs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"a photograph belongs to one group only; {', '.join(twice)} to more")
        return self

    def num_rows(self, file: Literal["train", "test"]) -> int:
        """Return the number of images in a file of this source."""
        return self.test.crops if file == "test" else self.train.crops + self.validation.crops


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
    """Where images come from; each is a package of its name in `sources`."""

    stl10: Stl10
    photos: Photos


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
