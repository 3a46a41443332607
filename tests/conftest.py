"""What several tests share. Everything here is small, seeded and offline."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from filelock import FileLock
from helpers.alone import alone
from helpers.project import miniature, run
from ruamel.yaml import YAML

from whitepatch import params
from whitepatch.params import Params

ROOT = Path(__file__).parents[1]
HOME = pytest.StashKey[TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """See to it that no test touches what is not its own."""
    if not hasattr(config, "workerinput"):  # of pytest-xdist, which passes its environment on
        config.stash[HOME] = TemporaryDirectory()
        alone(Path(config.stash[HOME].name))


@pytest.fixture
def torch_as_before() -> Iterator[None]:
    """Let a test set up the machine as trainings do, and undo it."""
    import torch

    threads = torch.get_num_threads()
    precisions = [
        (place, place.fp32_precision)
        for place in (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    ]
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("default")
    for place, precision in precisions:
        place.fp32_precision = precision


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def everything() -> Params:
    """Return the committed parameters."""
    return params.load(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project in miniature with its report; copy it, and leave it as it is.

    All processes of pytest-xdist share the one that the first of them makes.
    """
    place = tmp_path_factory.getbasetemp().resolve()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    with FileLock(place / "made.lock"):
        if not (place / "made").exists():
            folder = miniature(root, place / "making")
            status, said = run(folder, "dvc", "repro", "report@tiny")
            assert status == 0, said
            folder.rename(place / "made")
    return place / "made"


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Return a function that writes params.yaml with some keys changed.

    Keys are dotted paths; the value `...` removes the key.
    """

    def edit(changes: dict[str, Any]) -> Path:
        content = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
        for key, value in changes.items():
            *path, last = key.split(".")
            section = content
            for name in path:
                section = section[name]
            if value is ...:
                del section[last]
            else:
                section[last] = value
        target = tmp_path / "params.yaml"
        YAML(typ="safe", pure=True).dump(content, target)
        return target

    return edit
