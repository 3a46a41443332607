"""Weights under the names that the article prints, for our networks.

| article | ours |
| --- | --- |
| `conv.{c1a,c2a,c3}` | `backbone.{conv1,conv2,conv3}` |
| `conv.{bn1a,bn2a}` | `backbone.{norm1,norm2}` |
| `final` | `head` |
| `attn1.{w_qs,w_ks,w_vs}` | `attention.attention.heads.{query,key,value}` |
| `attn1.{fc,layer_norm}` | `attention.attention.{output,norm}` |
| `attn1.layers.{0..3}.{query,key,value}` | the same, stacked head by head |
| `attn1.{proj_down,mixing_layer1,mixing_layer2}` | `attention.attention.{output,mix1,mix2}` |
| `attn1.{norm1,norm2}` | `attention.attention.{norm1,norm2}` |
| `attn1.ChannelGate.mlp.{1,3}` | `attention.channel_gate.mlp.{0,2}` |
| `attn1.SpatialGate.spatial.{conv,bn}` | `attention.spatial_gate.{conv,norm}` |

A convolution of kernel 1 has a last axis of 1 there, which is dropped.
"""

__all__ = ["from_article"]

import re
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

NAMES = {
    r"conv\.c1a": "backbone.conv1",
    r"conv\.c2a": "backbone.conv2",
    r"conv\.c3": "backbone.conv3",
    r"conv\.bn1a": "backbone.norm1",
    r"conv\.bn2a": "backbone.norm2",
    r"final": "head",
    r"attn1\.w_qs": "attention.attention.heads.query",
    r"attn1\.w_ks": "attention.attention.heads.key",
    r"attn1\.w_vs": "attention.attention.heads.value",
    r"attn1\.fc": "attention.attention.output",
    r"attn1\.layer_norm": "attention.attention.norm",
    r"attn1\.layers\.\d+\.(query|key|value)": r"attention.attention.heads.\1",
    r"attn1\.proj_down": "attention.attention.output",
    r"attn1\.mixing_layer([12])": r"attention.attention.mix\1",
    r"attn1\.norm([12])": r"attention.attention.norm\1",
    r"attn1\.ChannelGate\.mlp\.1": "attention.channel_gate.mlp.0",
    r"attn1\.ChannelGate\.mlp\.3": "attention.channel_gate.mlp.2",
    r"attn1\.SpatialGate\.spatial\.conv": "attention.spatial_gate.conv",
    r"attn1\.SpatialGate\.spatial\.bn": "attention.spatial_gate.norm",
}
"""The table above, as patterns of a module's whole name."""


def from_article(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights saved under the article's names under ours.

    Args:
        state: A state dict of one of the article's four networks.

    Returns:
        A state dict of the variant that the article's network is, see `build`.

    Raises:
        ValueError: A name is none of the article's.

    Example:
        >>> from_article({"final.bias": torch.zeros(1)})
        {'head.bias': tensor([0.])}
    """
    heads: defaultdict[str, list[tuple[int, Tensor]]] = defaultdict(list)
    for name, tensor in state.items():
        module, _, field = name.rpartition(".")
        number = re.search(r"layers\.(\d+)\.", name)
        pointwise = tensor.ndim == 3 and tensor.shape[2] == 1
        heads[f"{_ours(module, name)}.{field}"].append(
            (int(number[1]) if number else 0, tensor.squeeze(2) if pointwise else tensor)
        )
    return {
        name: torch.cat([tensor for _, tensor in sorted(parts, key=lambda part: part[0])])
        if len(parts) > 1
        else parts[0][1]
        for name, parts in heads.items()
    }


def _ours(module: str, name: str) -> str:
    for pattern, ours in NAMES.items():
        if match := re.fullmatch(pattern, module):
            return match.expand(ours)
    raise ValueError(f"{name!r} is none of the article's names; docs/article.md lists them")
