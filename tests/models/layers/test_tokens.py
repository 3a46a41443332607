import doctest
import importlib

import pytest
import torch
from helpers import reference

from whitepatch.models.layers import tokens
from whitepatch.models.layers.attention import Conv1dMultiHeadAttention, MultiHeadAttention
from whitepatch.models.layers.positions import sinusoidal_positions
from whitepatch.models.layers.tokens import PixelTokens, StripTokens, strip_map


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


def test_a_map_is_what_each_cell_receives_in_raster_order():
    layer = PixelTokens(Conv1dMultiHeadAttention(5, num_heads=3))
    features = torch.randn(2, 5, 3, 7)
    weights = layer.weights(features)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 21))
    assert torch.equal(layer.cell_weights(features), weights)
    (received,) = layer.maps(features).values()
    torch.testing.assert_close(received.mean((1, 2)), torch.full((2,), 1 / 21))
    for row in range(3):
        for column in range(7):
            expected = weights[1, :, :, 7 * row + column].mean()
            torch.testing.assert_close(received[1, row, column], expected)


def test_a_pixels_token_is_its_channels():
    """A layer that scales token n by n must scale cell n of the raster."""
    layer = PixelTokens(lambda tokens: tokens * torch.arange(21.0)[:, None])
    features = torch.randn(2, 5, 3, 7)
    expected = features * torch.arange(21.0).reshape(3, 7)
    torch.testing.assert_close(layer(features), expected)


def shuffled(layer):
    """Return what a layer gives for shuffled cells, and its shuffled output."""
    features = torch.randn(2, 8, 3, 7)
    order = torch.randperm(21)
    moved = features.flatten(2)[:, :, order].reshape(features.shape)
    return layer(moved).flatten(2), layer(features).flatten(2)[:, :, order]


@pytest.mark.parametrize("kind", [MultiHeadAttention, Conv1dMultiHeadAttention])
def test_only_with_positions_does_a_layer_care_for_the_order_of_cells(kind):
    inner = kind(8, 2)
    torch.testing.assert_close(*shuffled(PixelTokens(inner)), atol=1e-5, rtol=1e-5)
    ours, moved = shuffled(PixelTokens(inner, positions=True))
    assert (ours - moved).abs().max() > 0.05


def test_positions_are_added_to_the_tokens():
    inner = MultiHeadAttention(8, 2)
    features = torch.randn(2, 8, 3, 7)
    coded = features + sinusoidal_positions(8, 3, 7)
    torch.testing.assert_close(
        PixelTokens(inner, positions=True)(features), PixelTokens(inner)(coded)
    )


def test_positions_are_asked_for_where_the_features_are(monkeypatch):
    asked = []

    def code(*arguments):
        asked.append(arguments)
        return sinusoidal_positions(*arguments)

    monkeypatch.setattr(tokens, "sinusoidal_positions", code)
    PixelTokens(lambda tokens: tokens, positions=True)(torch.randn(2, 8, 3, 7))
    assert asked == [(8, 3, 7, torch.device("cpu"))]


def test_positions_keep_the_features_dtype():
    features = torch.randn(2, 8, 3, 7, dtype=torch.bfloat16)
    assert PixelTokens(lambda tokens: tokens, positions=True)(features).dtype == torch.bfloat16


def test_a_strip_token_is_32_raster_pixels_of_one_channel():
    """Defect 1: token t is pixels 32 (t mod 18) ... of channel t // 18."""
    seen = []
    layer = StripTokens(lambda tokens: seen.append(tokens) or tokens)
    features = torch.randn(2, 32, 24, 24).to(memory_format=torch.channels_last)
    assert torch.equal(layer(features), features), "the way back undoes the way in"
    for token in (0, 17, 18, 575):
        strip = features.flatten(2)[:, token // 18, 32 * (token % 18) : 32 * (token % 18) + 32]
        assert torch.equal(seen[0][:, token], strip)


def test_strips_by_hand():
    # 16 cells, 4 channels: 16 strips of 4 cells; strip t lies in channel t // 4, at place t % 4
    weights = torch.zeros(1, 2, 16, 16)
    weights[0, :, :, 5] = 1  # all look at channel 1, place 1: cells 4 to 7
    found = strip_map(weights, channels=4)
    assert found.shape == (1, 4, 4)
    assert found[0].tolist() == [[0] * 4, [0.25] * 4, [0] * 4, [0] * 4]


def test_the_map_of_strips_is_all_that_they_say_of_space():
    layer = StripTokens(MultiHeadAttention(4, 2))
    features = torch.randn(2, 4, 8, 8)
    (found,) = layer.maps(features).values()
    assert torch.equal(found, strip_map(layer.weights(features), channels=4))
    assert layer.cell_weights(features) is None


@pytest.mark.parametrize("kind", [PixelTokens, StripTokens])
def test_attention_over_an_image_and_its_gradient(kind):
    """The reference gathers every token by hand, and puts every number back by hand."""
    height, width, channels = 3, 5, 6
    layer = kind(MultiHeadAttention(channels, 2).double())
    features = torch.randn(2, channels, height, width, dtype=torch.float64, requires_grad=True)
    raster = [[(c, n // width, n % width) for c in range(channels)] for n in range(height * width)]
    if kind is StripTokens:
        everything = [
            (c, y, x) for c in range(channels) for y in range(height) for x in range(width)
        ]
        raster = [everything[channels * n : channels * (n + 1)] for n in range(height * width)]
    tokens = torch.stack(
        [torch.stack([features[:, c, y, x] for c, y, x in places], dim=1) for places in raster],
        dim=1,
    )
    mixed, weights = reference.multi_head(tokens, tokens, layer.attention, channels // 2)
    expected = torch.zeros_like(features)
    for n, places in enumerate(raster):
        for i, (c, y, x) in enumerate(places):
            expected = expected.index_put(
                (torch.arange(2), *(torch.full((2,), it) for it in (c, y, x))), mixed[:, n, i]
            )
    ours, factors = layer(features), torch.randn_like(features)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(layer.weights(features), weights)
    inputs = [features, *layer.parameters()]
    found, wanted = (torch.autograd.grad((out * factors).sum(), inputs) for out in (ours, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "module",
    [
        *(f"layers.{name}" for name in ("attention", "backbone", "cbam", "positions", "tokens")),
        "article_weights",
    ],
)
def test_the_examples_in_the_docstrings_are_true(module):
    tested = doctest.testmod(importlib.import_module(f"whitepatch.models.{module}"))
    assert tested.attempted > 0
    assert not tested.failed
