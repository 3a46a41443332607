"""Fetch a source's images into data/raw/<source>, in STL-10's binary layout."""

from whitepatch import params, paths
from whitepatch.errors import UserError
from whitepatch.files import replacing
from whitepatch.sources import photos
from whitepatch.stages import run


def fetch(source: str) -> None:
    """Write train_X.bin, train_y.bin, test_X.bin and test_y.bin of a source."""
    sources = params.load().sources
    if source != "photos":
        raise UserError(f"no source {source!r} in params.yaml; it has photos")
    with replacing(paths.raw(source)) as folder:
        folder.mkdir()
        photos.write(folder, sources.photos)


if __name__ == "__main__":
    run(fetch)
