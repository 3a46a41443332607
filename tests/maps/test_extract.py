import numpy as np
import pytest
import torch
from helpers.pictures import images_of

from whitepatch.maps.controls import controls
from whitepatch.maps.evaluation import Truth, map_scores, means
from whitepatch.maps.extract import channel_factors, looking, maps_of
from whitepatch.maps.scores import coverage, far_corners
from whitepatch.models.classifier import Classifier, build
from whitepatch.models.layers.backbone import Backbone
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.readout import MeanReadout

FEATURES = [f"{side} {channel}" for channel in (1, 2, 3) for side in ("output", "input")]
HEADS = [f"attention head {head}" for head in (1, 2, 3, 4)]
NAMES = {
    "cnn": [],
    "cbam": [],
    "cbam_spatial": ["attention gate"],
    "mha_linear": ["strips"],
    "mha_linear_tokens": [*HEADS, "attention mean", "from patch", "to patch", "from afar"],
    "mha_conv1d": [*HEADS, "attention mean", "from patch", "to patch", "from afar"],
}


@pytest.fixture(scope="module")
def images():
    return images_of(4, 3)


@pytest.mark.parametrize("variant", NAMES)
def test_maps_are_named_and_belong_to_their_images(images, variant):
    network = build(variant, 0)
    maps = maps_of(network, images)
    assert list(maps) == ["evidence", *NAMES[variant], *FEATURES]
    assert all(values.shape == (4, 24, 24) for values in maps.values())
    with torch.inference_mode():
        look = network.look(images.batch(torch.tensor([2]))[0])
    np.testing.assert_allclose(maps["evidence"][2], look.evidence[0], atol=1e-5)
    np.testing.assert_allclose(maps["output 3"][2], look.after[0, 2], atol=1e-5)
    np.testing.assert_allclose(maps["input 1"][2], look.before[0, 0], atol=1e-5)


def test_attention_from_and_to_the_patch_by_loops(images):
    network = build("mha_conv1d", 0).eval()
    maps = maps_of(network, images)
    with torch.inference_mode():
        features = network.backbone(images.batch(images.first(4))[0])
        weights = network.attention.weights(features).double().numpy()
    shares = coverage(images.tops[:, 0].numpy(), images.lefts[:, 0].numpy(), 16, 24)
    for image in (1, 3):  # the patched ones
        cells = [(i, share) for i, share in enumerate(shares[image].ravel()) if share]
        area = sum(share for _, share in cells)
        leaving = sum(weights[image, :, i].mean(0) * share for i, share in cells) / area
        arriving = sum(weights[image, :, :, i].mean(0) * share for i, share in cells)
        np.testing.assert_allclose(maps["from patch"][image].ravel(), leaving, rtol=1e-4)
        np.testing.assert_allclose(maps["to patch"][image].ravel(), arriving, rtol=1e-4)
        row, column = far_corners(images.tops[:, 0].numpy(), images.lefts[:, 0].numpy(), 16, 24)[
            image
        ]
        afar = weights[image, :, row * 24 + column].mean(0)
        np.testing.assert_allclose(maps["from afar"][image].ravel(), afar, rtol=1e-4)
        received = maps["attention mean"][image].ravel()
        np.testing.assert_allclose(received, weights[image].mean((0, 1)), rtol=1e-4)
    for image in (0, 2):
        assert not maps["from patch"][image].any()
        assert not maps["to patch"][image].any()
        assert not maps["from afar"][image].any()
    # a query's weights sum to one, so what the patch hands out does too
    assert maps["from patch"][1].sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("variant", NAMES)
def test_looking_gives_the_same_maps_and_only_those_that_say_where(images, variant):
    network = build(variant, 0)
    every, some = maps_of(network, images), looking(network, images)
    where = ("evidence", "attention mean", "attention gate", "strips")
    assert list(some) == [name for name in every if name in where]
    for name, values in some.items():
        np.testing.assert_array_equal(values, every[name])


def test_channel_factors_are_the_gate_of_the_layer(images):
    network = build("cbam_spatial", 0).eval()
    with torch.inference_mode():
        expected, _ = network.attention.gates(network.backbone(images.batch(images.first(4))[0]))
    np.testing.assert_allclose(channel_factors(network, images), expected[:, :, 0, 0], rtol=1e-5)
    assert channel_factors(build("mha_linear_tokens", 0), images) is None


def test_controls_reach_chance_and_ceiling(images):
    truth = Truth.of(images)
    assert truth.patched.tolist() == [False, True, False, True]
    maps = controls(images)
    scores = means(map_scores(maps, truth))
    area = 256 / 9216
    for name, chance in {
        "auc": 0.5,
        "ap": area,
        "pointing": area,
        "mass": area,
        "rank": area,
    }.items():
        assert scores["uniform"][name] == pytest.approx(chance)
    assert scores["perfect"]["pointing"] == 1
    assert 0.8 < scores["perfect"]["mass"] <= 1
    assert 0.85 < scores["perfect strips"]["auc"] < scores["perfect"]["auc"]
    assert scores["brightness"]["auc"] > 0.99, "a white patch on dark noise"
    assert scores["edges"]["pointing"] < 1
    assert not maps["perfect"][0].any()


def test_controls_of_a_picture_do_not_depend_on_its_neighbours(images):
    together = controls(images)
    for place in range(len(images)):
        alone = controls(images.part(place, place + 1))
        for name, maps in together.items():
            np.testing.assert_array_equal(alone[name][0], maps[place], err_msg=name)


def test_edges_by_hand(images):
    # Sobel's filter at one pixel: columns weighed -1, 0, 1 and rows 1, 2, 1, and the other way
    brightness = images.batch(images.first(2))[0].mean(dim=1).double().numpy()[1]
    around = brightness[39:42, 59:62]
    smooth, step = np.array([1, 2, 1]), np.array([-1, 0, 1])
    expected = np.hypot(smooth @ around @ step, step @ around @ smooth)
    assert controls(images)["edges"][1, 40, 60] == pytest.approx(expected, rel=1e-4)


def test_perfect_strips_by_hand(images):
    # the patch covers cells; each run of 32 raster cells has their mean
    maps = controls(images)
    strips, perfect = (maps[name][1].ravel() for name in ("perfect strips", "perfect"))
    for start in range(0, 576, 32):
        assert (strips[start : start + 32] == strips[start]).all()
        assert strips[start] == pytest.approx(perfect[start : start + 32].mean())


def test_the_blob_is_highest_in_the_middle_and_half_as_high_a_quarter_away(images):
    blob = controls(images)["blob"][0]
    assert (blob == blob[::-1]).all()
    assert (blob == blob.T).all()
    assert blob.max() == blob[11, 11]
    assert blob[11, 5] / blob[11, 11] == pytest.approx(0.5 ** ((6.5**2 - 0.5**2) / 36))


class Halves(ImageAttention):
    """A layer that this project does not have, with two maps of its own."""

    def forward(self, features):
        return features * 2

    def maps(self, features):
        half = torch.zeros(2, len(features), 24, 24)
        half[0, :, :12], half[1, :, 12:] = 1, 3
        return dict(zip(("upper", "lower"), half, strict=True))


def test_a_layer_names_its_own_maps(images):
    network = Classifier(Backbone(), Halves(), MeanReadout(), torch.nn.Linear(32, 1))
    maps = maps_of(network, images)
    assert list(maps) == ["evidence", "upper", "lower", *FEATURES]
    assert (maps["lower"][:, 12:] == 3).all()
    assert list(looking(network, images)) == ["evidence", "upper", "lower"]
    assert channel_factors(network, images) is None
