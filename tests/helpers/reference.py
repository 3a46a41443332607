"""Every layer once more, in float64, by loops written from its formula; no code is shared."""

import itertools
import math

import torch


def attend(query, keys, values, temperature, seen):
    """Return what one query sees, and its weights; zeros if it may see nothing."""
    scores = [(query * key).sum() / temperature for key in keys]
    top = max((score.item() for score, sees in zip(scores, seen, strict=True) if sees), default=0)
    powers = [
        torch.exp(score - top) if sees else score * 0
        for score, sees in zip(scores, seen, strict=True)
    ]
    total = sum(powers) if any(seen) else 1
    weights = [power / total for power in powers]
    mixed = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return mixed, torch.stack(weights)


def attention(query, key, value, temperature, mask=None):
    """Return mixture and weights: one query of one head of one picture at a time."""
    batch, heads, queries, _ = query.shape
    everything = [True] * key.shape[2]
    found = [
        attend(
            query[b, h, i],
            key[b, h],
            value[b, h],
            temperature,
            everything if mask is None else mask[b, h, i].tolist(),
        )
        for b, h, i in itertools.product(range(batch), range(heads), range(queries))
    ]
    return tuple(
        torch.stack(parts).reshape(batch, heads, queries, -1) for parts in zip(*found, strict=True)
    )


def linear(x, layer):
    out = torch.einsum("...i,oi->...o", x, layer.weight)
    return out if layer.bias is None else out + layer.bias


def layer_norm(x, layer):
    mean = x.sum(-1, keepdim=True) / x.shape[-1]
    variance = ((x - mean) ** 2).sum(-1, keepdim=True) / x.shape[-1]
    return (x - mean) / (variance + layer.eps) ** 0.5 * layer.weight + layer.bias


def heads(tokens, context, layer, temperature, mask=None):
    """Return concatenated heads and weights of a layer with query, key and value."""
    split = []
    for x, projection in ((tokens, layer.query), (context, layer.key), (context, layer.value)):
        flat = linear(x, projection)
        size = flat.shape[2] // layer.num_heads
        split.append(
            torch.stack(
                [flat[:, :, h * size : (h + 1) * size] for h in range(layer.num_heads)], dim=1
            )
        )
    mixed, weights = attention(*split, temperature, mask)
    return torch.cat([mixed[:, h] for h in range(layer.num_heads)], dim=2), weights


def multi_head(tokens, context, layer, d_k, mask=None):
    mixed, weights = heads(tokens, context, layer.heads, math.sqrt(d_k), mask)
    return layer_norm(tokens + linear(mixed, layer.output), layer.norm), weights


def conv1d_multi_head(tokens, context, layer, residual, mask=None):
    width = tokens.shape[2]
    mixed, weights = heads(tokens, context, layer.heads, math.sqrt(width), mask)
    x = layer_norm(residual + linear(mixed, layer.output), layer.norm1)
    hidden = linear(x, layer.mix1)
    hidden = torch.where(hidden > 0, hidden, torch.zeros_like(hidden))
    return layer_norm(x + linear(hidden, layer.mix2), layer.norm2), weights


def pool(name, cells):
    """Pool a list of numbers."""
    if name == "avg":
        return sum(cells) / len(cells)
    if name == "max":
        return max(cells)
    if name == "lp":
        return sum(cell**2 for cell in cells) ** 0.5
    top = max(cells).detach()
    return top + torch.log(sum(torch.exp(cell - top) for cell in cells))


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def channel_gate(features, layer):
    total = 0
    for name in layer.pools:
        pooled = torch.stack(
            [
                torch.stack([pool(name, list(channel.flatten())) for channel in picture])
                for picture in features
            ]
        )
        hidden = linear(pooled, layer.mlp[0])
        total = total + linear(torch.where(hidden > 0, hidden, hidden * 0), layer.mlp[2])
    return sigmoid(total)


def spatial_gate(features, layer):
    """In eval mode: the norm uses its running numbers."""
    batch, _, height, width = features.shape
    maximum = torch.stack([torch.stack(list(x)).max(0).values for x in features])
    mean = features.sum(1) / features.shape[1]
    planes = torch.zeros(batch, 2, height + 6, width + 6, dtype=torch.float64)
    planes[:, 0, 3:-3, 3:-3], planes[:, 1, 3:-3, 3:-3] = maximum, mean
    score = torch.zeros(batch, height, width, dtype=torch.float64)
    for row, column in itertools.product(range(height), range(width)):
        window = planes[:, :, row : row + 7, column : column + 7]
        score[:, row, column] = (window * layer.conv.weight[0]).sum((1, 2, 3))
    norm = layer.norm
    score = (score - norm.running_mean) / (norm.running_var + norm.eps) ** 0.5
    return sigmoid(score * norm.weight + norm.bias)


def cbam(features, layer):
    features = features * channel_gate(features, layer.channel_gate)[:, :, None, None]
    if layer.spatial_gate is None:
        return features
    return features * spatial_gate(features, layer.spatial_gate)[:, None]
