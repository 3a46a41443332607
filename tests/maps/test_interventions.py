import numpy as np
import pytest
import torch
from helpers.pictures import images_of

from whitepatch.maps.interventions import (
    CASCADE,
    GREY,
    _apart,
    moved,
    occlusion,
    planted,
    randomised,
)
from whitepatch.models.classifier import build


@pytest.fixture(scope="module")
def images():
    return images_of(6, 3)


def shown(images):
    return images.batch(images.first(len(images)))


def test_a_planted_patch_is_where_it_should_be_and_nowhere_else(images):
    tops, lefts = torch.tensor([0, 80, 5, -1, 40, 7]), torch.tensor([80, 0, 9, -1, 40, 3])
    pictures, labels = shown(planted(images, tops, lefts, value=-0.5))
    bare, _ = shown(planted(images, torch.full((6,), -1), torch.full((6,), -1)))
    assert labels.tolist() == [1, 1, 1, 0, 1, 1]
    changed = (pictures != bare).any(1)
    for image, (top, left) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
        expected = torch.zeros(96, 96, dtype=torch.bool)
        if top >= 0:
            expected[top : top + 16, left : left + 16] = True
            assert (pictures[image][:, expected] == -0.5).all()
        assert not (changed[image] & ~expected).any()


def test_without_a_value_the_patch_keeps_its_own(images):
    pictures, _ = shown(planted(images, images.tops[:, 0], images.lefts[:, 0]))
    assert torch.equal(pictures, shown(images)[0])


def test_the_grid_reaches_from_the_first_to_the_last_place(images):
    found = [
        (row, column, *(x[0].item() for x in (it.tops, it.lefts)))
        for row, column, it in moved(images, 3)
    ]
    assert len(found) == 9
    assert found[0] == (0, 0, 0, 0)
    assert found[5] == (1, 2, 40, 80)
    assert found[8] == (2, 2, 80, 80)


def test_occlusion_hides_the_patch_or_as_much_elsewhere(images):
    """Seen through a network that is the mean of the picture."""

    class Mean(torch.nn.Module):
        def forward(self, pictures):
            return pictures.double().mean((1, 2, 3))

    patched = planted(images, torch.full((6,), 10), torch.full((6,), 20))
    found = occlusion(Mean(), patched)
    pictures, _ = shown(patched)
    hidden = pictures.clone()
    hidden[:, :, 10:26, 20:36] = GREY
    nowhere = torch.full((6,), -1)
    expected = {
        "seen": pictures,
        "hidden": hidden,
        "removed": shown(planted(images, nowhere, nowhere))[0],
    }
    for name, some in expected.items():
        np.testing.assert_allclose(found[name], some.double().mean((1, 2, 3)), rtol=1e-6)
    # elsewhere: as many pixels were dark noise before, so the mean rises
    assert (found["elsewhere"] > found["seen"]).all()
    assert occlusion(Mean(), patched)["elsewhere"].tolist() == found["elsewhere"].tolist()


def test_the_cascade_ends_in_an_untrained_network(images):
    network, fresh = build("cbam_spatial", 0).eval(), build("cbam_spatial", 1).eval()
    pictures = shown(images)[0]
    trained = network(pictures)
    seen = []
    for name, changed in randomised(network, fresh):
        seen.append(name)
        assert not torch.equal(changed(pictures), trained), name
    assert seen == [name for name, _ in CASCADE]
    assert torch.equal(network(pictures), fresh(pictures))


@pytest.mark.parametrize(("size", "positions", "place"), [(16, 1, 0), (16, 20, 8), (48, 49, 24)])
def test_a_picture_too_small_for_two_boxes_gets_one_as_far_away_as_it_goes(size, positions, place):
    tops = np.full(3, place)
    rows, columns = _apart(tops, tops, size, positions)
    away = np.maximum(abs(rows - place), abs(columns - place))
    assert (away == max(place, positions - 1 - place)).all()
