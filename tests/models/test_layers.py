"""Each layer against float64 loops and sums written from its formula, sharing no code with it."""

import math

import numpy as np
import pytest
import torch

from whitepatch.models.layers.attention import (
    Conv1dMultiHeadAttention,
    MultiHeadAttention,
    PixelTokens,
    StripTokens,
)
from whitepatch.models.layers.backbone import Backbone
from whitepatch.models.layers.cbam import CBAM


def array(tensor):
    return tensor.detach().numpy().astype(np.float64)


def softmax(row):
    powers = np.exp(row - row.max())
    return powers / powers.sum()


def layer_norm(x, layer):
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps)
    return centred / scale * array(layer.weight) + array(layer.bias)


def linear(x, layer):
    return x @ array(layer.weight).T + (0 if layer.bias is None else array(layer.bias))


def attend(tokens, heads, num_heads, temperature):
    """Return the concatenated heads [B, N, h d_v] and the weights [B, h, N, N], by loops."""
    query, key, value = (linear(tokens, layer) for layer in (heads.query, heads.key, heads.value))
    batch, number, _ = tokens.shape
    d_k, d_v = query.shape[2] // num_heads, value.shape[2] // num_heads
    mixed = np.zeros((batch, number, num_heads * d_v))
    weights = np.zeros((batch, num_heads, number, number))
    for b in range(batch):
        for h in range(num_heads):
            q, k = query[b, :, h * d_k : (h + 1) * d_k], key[b, :, h * d_k : (h + 1) * d_k]
            v = value[b, :, h * d_v : (h + 1) * d_v]
            for n in range(number):
                weights[b, h, n] = softmax(np.array([q[n] @ other for other in k]) / temperature)
                mixed[b, n, h * d_v : (h + 1) * d_v] = weights[b, h, n] @ v
    return mixed, weights


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


def test_multi_head_attention():
    layer = MultiHeadAttention(6, num_heads=3, d_k=5, d_v=7, dropout=0.5, eps=1e-6).eval()
    tokens = torch.randn(2, 11, 6)
    mixed, weights = attend(array(tokens), layer.heads, 3, math.sqrt(5))
    expected = layer_norm(array(tokens) + linear(mixed, layer.output), layer.norm)
    np.testing.assert_allclose(array(layer(tokens)), expected, atol=2e-6)
    np.testing.assert_allclose(array(layer.weights(tokens)), weights, atol=1e-6)


def test_multi_head_attention_drops_only_in_training():
    layer = MultiHeadAttention(6, num_heads=2, d_k=3, d_v=3, dropout=0.5, eps=1e-6)
    tokens = torch.randn(1, 13, 6)
    assert not torch.equal(layer.train()(tokens), layer.train()(tokens))
    assert torch.equal(layer.eval()(tokens), layer.eval()(tokens))


def test_conv1d_multi_head_attention():
    layer = Conv1dMultiHeadAttention(5, num_heads=3, eps=1e-5)
    tokens = torch.randn(2, 11, 5)
    mixed, weights = attend(array(tokens), layer.heads, 3, math.sqrt(5))
    x = layer_norm(array(tokens) + linear(mixed, layer.output), layer.norm1)
    hidden = np.maximum(linear(x, layer.mix1), 0)
    expected = layer_norm(x + linear(hidden, layer.mix2), layer.norm2)
    np.testing.assert_allclose(array(layer(tokens)), expected, atol=2e-6)
    np.testing.assert_allclose(array(layer.weights(tokens)), weights, atol=1e-6)


def test_weights_sum_to_one_and_received_attention_averages_one_over_n():
    layer = PixelTokens(Conv1dMultiHeadAttention(5, num_heads=3, eps=1e-5))
    features = torch.randn(2, 5, 3, 7)
    weights = layer.attention.weights(features.flatten(2).transpose(1, 2))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 21))
    maps = layer.spatial_maps(features)
    assert maps.shape == (2, 3, 3, 7)
    torch.testing.assert_close(maps.mean((2, 3)), torch.full((2, 3), 1 / 21))


def test_a_pixels_token_is_its_channels():
    """A layer that scales token n by n must scale cell n of the raster."""
    layer = PixelTokens(lambda tokens: tokens * torch.arange(21.0)[:, None])
    features = torch.randn(2, 5, 3, 7)
    expected = features * torch.arange(21.0).reshape(3, 7)
    torch.testing.assert_close(layer(features), expected)


def test_pixel_tokens_do_not_care_for_the_order_of_pixels():
    layer = PixelTokens(MultiHeadAttention(5, 5, 3, 3, dropout=0.0, eps=1e-6)).eval()
    features = torch.randn(2, 5, 3, 7)
    order = torch.randperm(21)
    shuffled = features.flatten(2)[:, :, order].reshape(features.shape)
    expected = layer(features).flatten(2)[:, :, order]
    torch.testing.assert_close(layer(shuffled).flatten(2), expected, atol=1e-5, rtol=1e-5)


def test_a_strip_token_is_32_raster_pixels_of_one_channel():
    """Defect 1: token t is pixels 32 (t mod 18) ... of channel t // 18."""
    seen = []
    layer = StripTokens(lambda tokens: seen.append(tokens) or tokens)
    features = torch.randn(2, 32, 24, 24).to(memory_format=torch.channels_last)
    assert torch.equal(layer(features), features), "the way back undoes the way in"
    for token in (0, 17, 18, 575):
        strip = features.flatten(2)[:, token // 18, 32 * (token % 18) : 32 * (token % 18) + 32]
        assert torch.equal(seen[0][:, token], strip)


def gates(features, layer):
    """Return the channel gate [B, C] and the spatial gate [B, H, W], by loops."""
    x = array(features)
    batch, _, height, width = x.shape

    def mlp(pooled):
        hidden = np.maximum(linear(pooled, layer.channel_gate.mlp[0]), 0)
        return linear(hidden, layer.channel_gate.mlp[2])

    channel = 1 / (1 + np.exp(-(mlp(x.mean((2, 3))) + mlp(x.max((2, 3))))))
    if layer.spatial_gate is None:
        return channel, np.ones((batch, height, width))
    x = x * channel[:, :, None, None]
    kernel, norm = array(layer.spatial_gate.conv.weight)[0], layer.spatial_gate.norm
    padded = np.pad(np.stack([x.max(1), x.mean(1)], 1), ((0, 0), (0, 0), (3, 3), (3, 3)))
    score = np.zeros((batch, height, width))
    for row in range(height):
        for column in range(width):
            window = padded[:, :, row : row + 7, column : column + 7]
            score[:, row, column] = (window * kernel).sum((1, 2, 3))
    score = (score - array(norm.running_mean)) / np.sqrt(array(norm.running_var) + norm.eps)
    return channel, 1 / (1 + np.exp(-(score * array(norm.weight) + array(norm.bias))))


@pytest.mark.parametrize("spatial", [False, True])
def test_cbam(spatial):
    layer = CBAM(10, reduction=5, spatial=spatial).eval()
    features = torch.randn(3, 10, 5, 7)
    channel, space = gates(features, layer)
    expected = array(features) * channel[:, :, None, None] * space[:, None]
    np.testing.assert_allclose(array(layer(features)), expected, atol=1e-6)
    maps = layer.spatial_maps(features)
    if spatial:
        np.testing.assert_allclose(array(maps)[:, 0], space, atol=1e-6)
    else:
        assert maps is None


def test_backbone():
    layer = Backbone().eval()
    with torch.no_grad():
        for norm in (layer.norm1, layer.norm2):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    images = torch.randn(1, 3, 8, 12)

    def convolve(x, conv):
        padded = np.pad(x, ((0, 0), (2, 2), (2, 2)))
        kernel, out = array(conv.weight), np.zeros((32, *x.shape[1:]))
        for row in range(x.shape[1]):
            for column in range(x.shape[2]):
                window = padded[:, row : row + 5, column : column + 5]
                out[:, row, column] = np.einsum("oiyx,iyx->o", kernel, window)
        return out + array(conv.bias)[:, None, None]

    x = array(images)[0]
    for conv, norm in ((layer.conv1, layer.norm1), (layer.conv2, layer.norm2)):
        x = convolve(x, conv)
        x = np.where(x > 0, x, 0.01 * x)
        x = (x - array(norm.running_mean)[:, None, None]) / np.sqrt(
            array(norm.running_var)[:, None, None] + norm.eps
        )
        x = x.reshape(32, x.shape[1] // 2, 2, x.shape[2] // 2, 2).max((2, 4))
    np.testing.assert_allclose(array(layer(images))[0], convolve(x, layer.conv3), atol=1e-5)
