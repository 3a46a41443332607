import numpy as np
import pytest
from helpers.pictures import images_of

from whitepatch.maps.clean_pictures import on_clean
from whitepatch.maps.controls import controls

PATCHED = np.arange(6) % 2 == 1


@pytest.fixture(scope="module")
def control():
    return controls(images_of(6, 3))


def by_cell(values):
    """Average 4x4 pixels, by loops."""
    cells = np.zeros((24, 24))
    for row in range(24):
        for column in range(24):
            cells[row, column] = values[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean()
    return cells


def test_a_map_that_is_the_brightness_follows_it_and_only_clean_pictures_count(control):
    maps = {"evidence": np.stack([by_cell(x) for x in control["brightness"]])}
    maps["evidence"][PATCHED] = 0
    found = on_clean(maps, control, PATCHED)
    assert found.correlations["evidence"]["brightness"] == pytest.approx(1, abs=1e-4)
    assert abs(found.correlations["evidence"]["blob"]) < 0.2
    np.testing.assert_allclose(found.means["evidence"], maps["evidence"][~PATCHED].mean(0))


def test_a_map_that_avoids_the_middle_and_one_that_says_nothing(control):
    maps = {"attention gate": -control["blob"], "evidence": np.ones((6, 24, 24))}
    found = on_clean(maps, control, PATCHED)
    assert found.correlations["attention gate"]["blob"] == pytest.approx(-1)
    assert set(found.correlations["evidence"].values()) == {0}
