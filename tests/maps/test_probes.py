import pytest
import torch
from helpers.pictures import images_of
from torch import nn

from whitepatch.maps.probes import mixes_places, probe
from whitepatch.models.classifier import Classifier, build
from whitepatch.models.layers.image import NoAttention
from whitepatch.models.layers.readout import MeanReadout
from whitepatch.params import Score

SCORE = Score(first=0, images=12, panel=2, movers=3, grid=2)


class Brightness(nn.Module):
    """A trunk whose first channel is the brightness of each cell, less dark noise."""

    def __init__(self):
        super().__init__()
        self.conv1 = self.conv2 = self.conv3 = self.norm1 = self.norm2 = nn.Identity()

    def forward(self, pictures):
        brightness = nn.functional.avg_pool2d(pictures.mean(1, keepdim=True), 4)
        return torch.cat([brightness.clamp(min=0.5) - 0.5, brightness.expand(-1, 31, -1, -1)], 1)


def network():
    head = nn.Linear(32, 1)
    with torch.no_grad():
        head.weight.zero_()
        head.weight[0, 0] = 1000
        head.bias.fill_(-1)
    return Classifier(Brightness(), NoAttention(), MeanReadout(), head).eval()


@pytest.fixture(scope="module")
def found():
    return probe(network(), network(), images_of(12, 3), SCORE)


def test_who_looks_for_brightness_needs_the_patch(found):
    fall = found.numbers["occlusion"]
    assert fall["removed"] == pytest.approx(fall["hidden"], rel=1e-3)
    assert fall["hidden"] > 10
    assert fall["elsewhere"] == pytest.approx(0, abs=1e-4)


def test_it_finds_the_patch_wherever_it_is(found):
    moved = found.numbers["moved"]
    assert moved["found"] == moved["found_at_worst_place"] == 1
    assert moved["auc"]["evidence"] > 0.98
    assert found.arrays["moved/found"].shape == (2, 2)
    assert found.arrays["moved/evidence"].min() == pytest.approx(
        moved["auc_at_worst_place"]["evidence"]
    )


def test_it_is_not_drawn_to_a_dark_patch(found):
    for name in ("black", "grey"):
        it = found.numbers["distractor"][name]
        assert it["fooled"] == 0
        assert it["logit_rise"] == pytest.approx(0, abs=1e-4)
        assert it["maps"]["evidence"]["auc"] == 0.5, "no cell stands out"


def test_layers_that_are_not_there_change_nothing(found):
    for step, maps in found.numbers["randomised"].items():
        assert maps["evidence"]["correlation"] == pytest.approx(1), step


def test_only_decisions_that_turn_count_as_fooled():
    # one more picture is judged patched whatever it shows
    credulous = network()
    with torch.no_grad():
        credulous.head.bias.fill_(1)
    found = probe(credulous, network(), images_of(12, 3), SCORE)
    assert found.numbers["distractor"]["grey"]["fooled"] == 0, "they were judged patched before"


@pytest.mark.parametrize(
    ("variants", "mixes"),
    [
        (("cnn", "cnn_max", "cnn_hidden", "cbam", "cbam_spatial"), False),
        (("mha_linear", "mha_linear_norm", "mha_tokens_strip_norm", "mha_uniform"), True),
        (("mha_linear_tokens", "mha_linear_positions", "mha_conv1d"), True),
    ],
)
def test_attention_mixes_places_and_a_gate_does_not(variants, mixes):
    """Each with whatever weights: a gate hears of all cells, too, but hands nothing on."""
    for variant in variants:
        assert [mixes_places(build(variant, seed)) for seed in (0, 5)] == [mixes] * 2, variant
