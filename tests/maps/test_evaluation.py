import numpy as np
import pytest
import torch

from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan
from whitepatch.maps.evaluation import Truth, brightest_box_auc, classification, gate, map_scores
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


def test_only_patched_images_are_scored(images):
    truth = Truth.of(images.part(0, 4))
    maps = {"any": np.random.default_rng(1).normal(size=(4, 24, 24))}
    assert all(len(values) == 2 for values in map_scores(maps, truth)["any"].values())


def test_the_brightest_box_finds_a_white_patch_on_dark_noise(images):
    assert brightest_box_auc(images) == 1.0


def test_a_channel_gate_that_knows_of_the_patch_by_hand():
    # channel 1 is higher on patched pictures, 2 lower, 3 says nothing, 4 wins three pairs of four
    channels = [[0.9, 0.8, 0.3, 0.1], [0.1, 0.2, 0.7, 0.9], [0.5] * 4, [0.2, 0.6, 0.3, 0.1]]
    gates = np.array(channels).T
    found = gate(gates, np.array([True, True, False, False]))
    assert found["separation"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert found["patched"] == pytest.approx(gates[:2].mean())
    assert found["clean"] == pytest.approx(gates[2:].mean())
