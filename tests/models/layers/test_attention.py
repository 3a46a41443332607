"""Attention against float64 loops, against torch's own, and at its edges."""

import math

import pytest
import torch
from helpers import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from whitepatch.models.layers.attention import (
    Conv1dMultiHeadAttention,
    MultiHeadAttention,
    attention,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


def doubles(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def same_with_gradients(ours, expected, *inputs):
    """Compare values, and the gradients of a sum that treats every number differently."""
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-10)
    factors = torch.randn_like(expected)
    found, wanted = (
        torch.autograd.grad((out * factors).sum(), inputs, retain_graph=True, allow_unused=True)
        for out in (ours, expected)
    )
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


MASKS = {
    "none": None,
    "one for all": torch.rand(5, 7, generator=torch.Generator().manual_seed(1)) > 0.4,
    "each head": torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(2)) > 0.4,
    "each picture": torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(3)) > 0.4,
    "a blind query": torch.tensor([True, False, True, True, False])[:, None].expand(5, 7),
    "all blind": torch.zeros(1, 1, dtype=torch.bool),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("temperature", [None, 0.3, 11.0])
@pytest.mark.parametrize("need_weights", [False, True])
def test_attention_and_its_gradient(mask, temperature, need_weights):
    query, key, value = doubles(2, 3, 5, 11), doubles(2, 3, 7, 11), doubles(2, 3, 7, 13)
    output, weights = attention(
        query, key, value, temperature=temperature, mask=mask, need_weights=need_weights
    )
    expanded = None if mask is None else mask.expand(2, 3, 5, 7)
    scale = temperature or math.sqrt(11)
    expected, expected_weights = reference.attention(query, key, value, scale, expanded)
    if MASKS["all blind"] is mask:
        assert not output.any()
        return
    same_with_gradients(output, expected, query, key, value)
    if need_weights:
        same_with_gradients(weights, expected_weights, query, key)
    else:
        assert weights is None


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_blind_query_gives_zeros_and_finite_gradients(need_weights):
    query, key, value = (torch.randn(1, 2, 3, 5, requires_grad=True) for _ in range(3))
    mask = torch.ones(3, 3, dtype=torch.bool)
    mask[1] = False
    output, weights = attention(query, key, value, mask=mask, need_weights=need_weights)
    output.sum().backward()
    assert not output[:, :, 1].any()
    assert output[:, :, 0].any()
    if weights is not None:
        torch.testing.assert_close(weights.sum(-1)[0, 0], torch.tensor([1.0, 0.0, 1.0]))
    assert all(x.grad.isfinite().all() for x in (query, key, value))


@pytest.mark.parametrize("size", [1e-30, 1e4, 1e15])
def test_extreme_values_stay_finite(size):
    query, key, value = (torch.randn(1, 1, 3, 5) * size for _ in range(3))
    for need_weights in (False, True):
        output, weights = attention(query, key, value, need_weights=need_weights)
        assert output.isfinite().all()
        if weights is not None:
            torch.testing.assert_close(weights.sum(-1), torch.ones(1, 1, 3))


def test_a_high_temperature_averages_and_a_low_one_chooses():
    query, key, value = (torch.randn(1, 1, 4, 5) for _ in range(3))
    flat, _ = attention(query, key, value, temperature=1e9)
    torch.testing.assert_close(flat, value.mean(2, keepdim=True).expand_as(flat))
    sharp, _ = attention(query, key, value, temperature=1e-6)
    chosen = (query @ key.mT).argmax(-1)[0, 0]
    torch.testing.assert_close(sharp[0, 0], value[0, 0, chosen])


def test_dropout_drops_weights_and_keeps_their_mean():
    query, key, value = (torch.randn(1, 1, 200, 8) for _ in range(3))
    _, whole = attention(query, key, value, need_weights=True)
    _, dropped = attention(query, key, value, dropout=0.25, need_weights=True)
    kept = dropped > 0
    assert kept.float().mean() == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(dropped[kept], whole[kept] / 0.75)
    fused, _ = attention(query, key, value, dropout=0.25)
    assert not torch.allclose(fused, attention(query, key, value)[0])


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 6),
    seed=st.integers(0, 2**16),
    masked=st.booleans(),
    size=st.floats(-3, 3),
)
def test_weights_are_a_distribution_over_what_may_be_seen(shape, seed, masked, size):
    batch, num_heads, queries, keys, d_k, d_v = shape
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (
        torch.randn(batch, num_heads, *rest, generator=generator, dtype=torch.float64) * 10**size
        for rest in ((queries, d_k), (keys, d_k), (keys, d_v))
    )
    mask = torch.rand(batch, 1, queries, keys, generator=generator) > 0.5 if masked else None
    output, weights = attention(query, key, value, mask=mask, need_weights=True)
    fused, _ = attention(query, key, value, mask=mask)
    assert (weights >= 0).all()
    sees = torch.ones(()) if mask is None else mask.any(-1).double()
    torch.testing.assert_close(weights.sum(-1), sees.double().expand(weights.shape[:-1]))
    if mask is not None:
        assert not weights[~mask.expand_as(weights)].any()
    torch.testing.assert_close(output, fused, rtol=1e-6, atol=1e-9 * 10**size)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cross", [False, True])
def test_multi_head_attention_and_its_gradient(cross, masked):
    context_width = 4 if cross else None
    layer = MultiHeadAttention(6, 3, 5, 7, context_width=context_width, dropout=0.5).double()
    layer.eval()
    tokens = doubles(2, 11, 6)
    context = doubles(2, 13, 4) if cross else None
    other = tokens if context is None else context
    mask = torch.rand(2, 1, 11, other.shape[1]) > 0.3 if masked else None
    wide = None if mask is None else mask.expand(2, 3, -1, -1)
    expected, weights = reference.multi_head(tokens, other, layer, 5, wide)
    same_with_gradients(layer(tokens, context, mask), expected, tokens, other, *layer.parameters())
    torch.testing.assert_close(layer.weights(tokens, context, mask), weights)


@pytest.mark.parametrize("residual", ["query", "context"])
@pytest.mark.parametrize("cross", [False, True])
def test_conv1d_multi_head_attention_and_its_gradient(cross, residual):
    layer = Conv1dMultiHeadAttention(5, 3, residual=residual).double()
    tokens = doubles(2, 11, 5)
    context = doubles(2, 11, 5) if cross else tokens
    kept = tokens if residual == "query" else context
    expected, weights = reference.conv1d_multi_head(tokens, context, layer, kept)
    ours = layer(tokens, context if cross else None)
    same_with_gradients(ours, expected, tokens, context, *layer.parameters())
    torch.testing.assert_close(layer.weights(tokens, context), weights)


def test_conv1d_multi_head_attention_asks_a_context_of_another_length_and_width():
    layer = Conv1dMultiHeadAttention(5, 3, context_width=4).double()
    tokens, context = doubles(2, 11, 5), doubles(2, 7, 4)
    mask = torch.rand(11, 7) > 0.3
    wide = mask.expand(2, 3, 11, 7)
    expected, weights = reference.conv1d_multi_head(tokens, context, layer, tokens, wide)
    same_with_gradients(layer(tokens, context, mask), expected, tokens, context)
    torch.testing.assert_close(layer.weights(tokens, context, mask), weights)


def test_a_convolution_of_kernel_1_is_our_linear_projection():
    layer = Conv1dMultiHeadAttention(5, 3)
    tokens = torch.randn(2, 11, 5)
    for h in range(3):
        convolution = nn.Conv1d(5, 5, 1)
        with torch.no_grad():
            convolution.weight.copy_(layer.heads.key.weight[5 * h : 5 * h + 5, :, None])
            convolution.bias.copy_(layer.heads.key.bias[5 * h : 5 * h + 5])
        ours = layer.heads.key(tokens)[:, :, 5 * h : 5 * h + 5]
        torch.testing.assert_close(convolution(tokens.mT).mT, ours)


def test_torchs_own_multi_head_attention_agrees_with_copied_weights():
    theirs = nn.MultiheadAttention(12, 3, bias=False, batch_first=True).eval()
    ours = MultiHeadAttention(12, 3, residual=False, eps=None).eval()
    with torch.no_grad():
        projections = theirs.in_proj_weight.chunk(3)
        for mine, weight in zip(
            (ours.heads.query, ours.heads.key, ours.heads.value), projections, strict=True
        ):
            mine.weight.copy_(weight)
        ours.output.weight.copy_(theirs.out_proj.weight)
    tokens, context = torch.randn(2, 7, 12), torch.randn(2, 11, 12)
    mask = torch.rand(7, 11) > 0.3
    mask[:, 0] = True
    output, weights = theirs(tokens, context, context, attn_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close(ours(tokens, context, mask), output)
    torch.testing.assert_close(ours.weights(tokens, context, mask), weights)


def test_residual_and_norm_can_be_left_out():
    tokens = torch.randn(2, 7, 6)
    layers = {
        (residual, eps): MultiHeadAttention(6, 2, residual=residual, eps=eps)
        for residual in (False, True)
        for eps in (None, 1e-6)
    }
    for layer in layers.values():
        layer.load_state_dict(layers[False, None].state_dict(), strict=False)
    mixed = layers[False, None](tokens)
    torch.testing.assert_close(layers[True, None](tokens), tokens + mixed)
    torch.testing.assert_close(layers[False, 1e-6](tokens), F.layer_norm(mixed, (6,), eps=1e-6))


@pytest.mark.parametrize("where", ["dropout", "attention_dropout"])
def test_dropout_works_in_training_only(where):
    layer = MultiHeadAttention(6, 2, **{where: 0.5})
    tokens = torch.randn(1, 13, 6)
    assert not torch.equal(layer.train()(tokens), layer.train()(tokens))
    assert torch.equal(layer.eval()(tokens), layer.eval()(tokens))


def test_the_norms_are_as_printed_unless_told_otherwise():
    assert MultiHeadAttention(6, 2).norm.eps == 1e-6
    assert MultiHeadAttention(6, 2, eps=0.5).norm.eps == 0.5
    for eps, layer in (
        (1e-5, Conv1dMultiHeadAttention(6, 2)),
        (0.5, Conv1dMultiHeadAttention(6, 2, eps=0.5)),
    ):
        assert layer.norm1.eps == layer.norm2.eps == eps


def test_queries_keys_and_values_are_as_wide_as_asked_for():
    for layer, d_v in ((MultiHeadAttention(6, 3, 5, 7), 7), (MultiHeadAttention(6, 3, 5), 5)):
        assert layer.heads.query.out_features == layer.heads.key.out_features == 3 * 5
        assert layer.heads.value.out_features == layer.output.in_features == 3 * d_v


@pytest.mark.parametrize("kind", [MultiHeadAttention, Conv1dMultiHeadAttention])
def test_one_head_of_size_one_is_enough(kind):
    layer = kind(1, 1)
    assert layer(torch.randn(2, 7, 1)).shape == (2, 7, 1)
    assert layer.weights(torch.randn(2, 7, 1)).shape == (2, 1, 7, 7)


TOKENS = torch.zeros(2, 7, 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MultiHeadAttention(6, 4), "num_heads must divide width .* 4 heads .* 6"),
        (lambda: MultiHeadAttention(6, 0), "num_heads must divide width"),
        (lambda: MultiHeadAttention(6, 2, 0), "^d_k must be at least 1, got 0"),
        (lambda: MultiHeadAttention(6, 2, 3, 0), "^d_v must be at least 1, got 0"),
        (lambda: MultiHeadAttention(0, 2, 3), "^width must be at least 1, got 0"),
        (lambda: MultiHeadAttention(6, 0, 3), "^num_heads must be at least 1, got 0"),
        (lambda: MultiHeadAttention(6, 2, eps=math.inf), "eps must be above 0, got inf"),
        (lambda: MultiHeadAttention(6, 2, attention_dropout=1.5), "dropout .* 0 and 1, got 1.5"),
        (
            lambda: Conv1dMultiHeadAttention(6, 2, context_width=5, residual="context"),
            "needs one width, got 6 and 5",
        ),
        (lambda: Conv1dMultiHeadAttention(6, 2, residual="value"), "query or context, got 'value'"),
        (
            lambda: Conv1dMultiHeadAttention(6, 2, residual="context")(TOKENS, TOKENS[:, :5]),
            r"equal shapes, got \[2, 7, 6\] and \[2, 5, 6\]",
        ),
        (lambda: MultiHeadAttention(6, 2, context_width=0), "context_width .* 1, got 0"),
        (lambda: Conv1dMultiHeadAttention(6, 2, context_width=0), "context_width .* 1, got 0"),
        (lambda: MultiHeadAttention(6, 2, dropout=math.nan), "dropout .* 0 and 1, got nan"),
        (lambda: MultiHeadAttention(6, 2, eps=0.0), "eps must be above 0, got 0.0"),
        (lambda: Conv1dMultiHeadAttention(6, 2, eps=math.nan), "eps must be above 0, got nan"),
        (
            lambda: MultiHeadAttention(6, 2).weights(TOKENS, TOKENS[:1]),
            "as many pictures, got 2 and 1",
        ),
        (
            lambda: Conv1dMultiHeadAttention(6, 2)(TOKENS, TOKENS[:1]),
            "as many pictures, got 2 and 1",
        ),
        (
            lambda: attention(*[TOKENS[None, ..., :0]] * 3),
            r"d_k at least 1, got \[1, 2, 7, 0\]",
        ),
        (lambda: MultiHeadAttention(6, 2)(TOKENS[0]), r"tokens must be \[B, N, 6\], got \[7, 6\]"),
        (
            lambda: MultiHeadAttention(6, 2, context_width=5)(TOKENS, TOKENS),
            r"context must be \[B, N, 5\], got \[2, 7, 6\]",
        ),
        (
            lambda: MultiHeadAttention(6, 2)(TOKENS, mask=torch.ones(3, 7, dtype=torch.bool)),
            r"broadcast to \[B, h, queries, keys\] = \[2, 2, 7, 7\], got \[3, 7\]",
        ),
        (
            lambda: MultiHeadAttention(6, 2)(TOKENS, mask=torch.ones(7, 7)),
            "mask must be bool, .* got torch.float32",
        ),
        (
            lambda: attention(TOKENS[None], TOKENS[None], TOKENS[None], temperature=0),
            "temperature must be above 0, got 0",
        ),
        (
            lambda: attention(TOKENS[None], TOKENS[None], TOKENS[None], dropout=-0.1),
            "dropout must be between 0 and 1, got -0.1",
        ),
        (
            lambda: attention(TOKENS[None], TOKENS[None, :, :5], TOKENS[None]),
            r"got \[1, 2, 7, 6\], \[1, 2, 5, 6\] and \[1, 2, 7, 6\]",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(call, words):
    with pytest.raises(ValueError, match=words) as refused:
        call()
    assert "\n" not in str(refused.value)
