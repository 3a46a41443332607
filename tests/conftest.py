"""What several tests share. Everything here is small, seeded and offline."""

from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
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
    """Return the project in miniature with its report; copy it, and leave it as it is."""
    folder = miniature(root, tmp_path_factory.mktemp("made").resolve() / "miniature")
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    return folder


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a dvc.lock of two outputs, one of them here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("variants: [cnn]")
    (tmp_path / "a").write_bytes(b"hello")
    (tmp_path / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  train@demo-cnn:\n    outs:\n"
        f"    - path: a\n      md5: {md5(b'hello', usedforsecurity=False).hexdigest()}\n"
        "    - path: gone\n      md5: '0'\n"
    )
    return tmp_path


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
