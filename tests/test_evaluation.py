import numpy as np
import pytest
import torch

from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan
from whitepatch.evaluation import (
    Truth,
    brightest_box_auc,
    classification,
    control_maps,
    map_scores,
    maps_of,
    means,
)
from whitepatch.models.classifier import build
from whitepatch.params import Patch, Pixels


@pytest.fixture
def images():
    pictures = np.random.default_rng(3).integers(120, size=(5, 3, 96, 96), dtype=np.uint8)
    plan = Plan(
        np.array([1, 0, 1, 0, 1]), np.array([4, -1, 80, -1, 31]), np.array([8, -1, 0, -1, 7])
    )
    patch = Patch(plan="per_image", seed=1, probability=0.5, size=16, positions=81, value=0.99)
    part = Part(np.arange(5), pictures, plan)
    return DeviceImages.of(part, patch, Pixels(offset=128, scale=128), torch.device("cpu"))


def test_classification_by_hand():
    logits = torch.tensor([2.0, -1.0, 0.5, 0.5])
    found = classification(logits, torch.tensor([1.0, 0.0, 1.0, 0.0]))
    # pairs of a positive and a negative: 2 > -1, 2 > 0.5, 0.5 > -1, and one draw
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["accuracy"] == 0.75
    losses = np.log1p(np.exp([-2.0, -1.0, -0.5, 0.5]))
    assert found["loss"] == pytest.approx(losses.mean())


def test_maps_are_named_and_belong_to_their_images(images):
    network = build("mha_conv1d", 0)
    maps = maps_of(network, images.part(0, 4))
    heads = [f"attention head {head}" for head in (1, 2, 3, 4)]
    channels = [f"{side} {channel}" for channel in (1, 2, 3) for side in ("output", "input")]
    assert list(maps) == ["evidence", *heads, "attention mean", *channels]
    assert all(values.shape == (4, 24, 24) for values in maps.values())
    mean = np.mean([maps[head] for head in heads], axis=0)
    np.testing.assert_allclose(maps["attention mean"], mean, rtol=1e-5)
    with torch.inference_mode():
        look = network.look(images.batch(torch.tensor([2]))[0])
    np.testing.assert_allclose(maps["output 3"][2], look.after[0, 2], atol=1e-5)
    np.testing.assert_allclose(maps["input 1"][2], look.before[0, 0], atol=1e-5)


def test_controls_reach_chance_and_ceiling(images):
    truth = Truth.of(images)
    assert truth.patched.tolist() == [True, False, True, False, True]
    scores = means(map_scores(control_maps(images, truth), truth))
    area = 256 / 9216
    uniform = {"auc": 0.5, "pointing": area, "mass": area, "rank": area}
    assert scores["uniform"] == pytest.approx(uniform)
    assert scores["perfect"]["pointing"] == 1
    assert 0.85 < scores["perfect"]["mass"] <= 1
    assert scores["brightness"]["auc"] > 0.99, "a white patch on dark noise"
    assert scores["edges"]["pointing"] < 1


def test_only_patched_images_are_scored(images):
    truth = Truth.of(images.part(0, 4))
    maps = {"any": np.random.default_rng(1).normal(size=(4, 24, 24))}
    assert all(len(values) == 2 for values in map_scores(maps, truth)["any"].values())


def test_the_brightest_box_finds_a_white_patch_on_dark_noise(images):
    assert brightest_box_auc(images) == 1.0
