import contextlib
import doctest
import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def read(root, tmp_path_factory):
    """Run every line of docs/attention.md in a folder of its own; return its docs and result."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "docs/figures").mkdir(parents=True)
    page = shutil.copy(root / "docs/attention.md", folder / "docs")
    with contextlib.chdir(folder):
        return folder / "docs", doctest.testfile(str(page), module_relative=False)


def test_every_line_of_the_page_on_attention_is_true(read):
    _, tested = read
    assert tested.attempted > 30
    assert not tested.failed


@pytest.mark.parametrize("name", ["temperature", "tokens", "positions"])
def test_its_figures_are_what_it_draws(root, read, name):
    folder, _ = read
    drawn, kept = (
        np.asarray(Image.open(place / f"figures/{name}.png").convert("RGB"), int)
        for place in (folder, root / "docs")
    )
    assert drawn.shape == kept.shape
    assert np.abs(drawn - kept).max() < 8, f"{name}.png: copy it from {folder}"
