"""Fetch a source's images into data/raw/<source>, in STL-10's binary layout."""

from whitepatch import paths, sources
from whitepatch.files import replacing
from whitepatch.params import load
from whitepatch.stages import run


def fetch(source: str) -> None:
    """Write train_X.bin, train_y.bin, test_X.bin and test_y.bin of a source."""
    params = load()
    found = sources.find(source)
    with replacing(paths.raw(source)) as folder:
        folder.mkdir()
        found.write(folder, params)


if __name__ == "__main__":
    run(fetch)
