"""Fetch a source's images into data/raw/<source>, in STL-10's binary layout."""

from whitepatch import paths, sources
from whitepatch.files import replacing
from whitepatch.params import load
from whitepatch.stages import run


def fetch(source: str) -> None:
    """Write train_X.bin and train_y.bin of a source, and its test files if it has any."""
    params = load()
    found = sources.find(source)
    with replacing(paths.raw(source)) as folder:
        folder.mkdir()
        found.write(folder, params)


if __name__ == "__main__":
    run(fetch)
