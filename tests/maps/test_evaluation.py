import numpy as np
import pytest
import torch
from helpers.pictures import images_of

from whitepatch.maps.evaluation import (
    Truth,
    brightest_box_auc,
    channel_gate,
    classification,
    map_scores,
)


def test_classification_by_hand():
    logits = torch.tensor([2.0, -1.0, 0.5, 0.5])
    found = classification(logits, torch.tensor([1.0, 0.0, 1.0, 0.0]))
    # pairs of a positive and a negative: 2 > -1, 2 > 0.5, 0.5 > -1, and one draw
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["accuracy"] == 0.75
    losses = np.log1p(np.exp([-2.0, -1.0, -0.5, 0.5]))
    assert found["loss"] == pytest.approx(losses.mean())


def test_only_patched_images_are_scored():
    truth = Truth.of(images_of(4, 3))
    maps = {"any": np.random.default_rng(1).normal(size=(4, 24, 24))}
    assert all(len(values) == 2 for values in map_scores(maps, truth)["any"].values())


def test_the_brightest_box_finds_a_white_patch_on_dark_noise():
    assert brightest_box_auc(images_of(5, 3)) == 1.0


def test_a_channel_gate_that_knows_of_the_patch_by_hand():
    # channel 1 is higher on patched pictures, 2 lower, 3 says nothing, 4 wins three pairs of four
    channels = [[0.9, 0.8, 0.3, 0.1], [0.1, 0.2, 0.7, 0.9], [0.5] * 4, [0.2, 0.6, 0.3, 0.1]]
    gates = np.array(channels).T
    found = channel_gate(gates, np.array([True, True, False, False]))
    assert found["separation"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert found["patched"] == pytest.approx(gates[:2].mean())
    assert found["clean"] == pytest.approx(gates[2:].mean())
