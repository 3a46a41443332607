"""Where a decision looks, asked by its gradients: at the trunk's output and in the picture.

What stands behind an attention layer says little of where the network looks, for a cell there may
hold what came from everywhere. All variants share two places before it: the trunk's output, which
has 24x24 cells, and the picture itself. All gradients are those of the logit.

Sources: Grad-CAM: Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391; HiResCAM: Draelos and
Carin, 2020, https://arxiv.org/abs/2011.08891; absolute gradient: Simonyan, Vedaldi and Zisserman,
2014, https://arxiv.org/abs/1312.6034; Integrated Gradients: Sundararajan, Taly and Yan, 2017,
https://arxiv.org/abs/1703.01365; effective attention: Brunner et al., "On Identifiability in
Transformers", 2020, https://arxiv.org/abs/1908.04211, and Pascual, Brunner and Wattenhofer,
"Telling BERT's full story", 2021, https://arxiv.org/abs/2004.05916.
"""

__all__ = ["BASELINES", "Attributed", "attribute", "effective", "integrated"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whitepatch.data.images import DeviceImages
from whitepatch.maps.extract import AT_A_TIME, Maps
from whitepatch.maps.interventions import GREY
from whitepatch.models.classifier import Classifier
from whitepatch.models.layers.image import ImageAttention

STEPS = 32
"""Of Integrated Gradients; 64 would take hours on two cores, and the error of completeness, which
stands beside the maps, says whether 32 are enough."""

BASELINES = ("grey", "black")
"""Pictures from which Integrated Gradients starts. The clean picture is none of them: it differs
from the patched one in the patch alone, so any map that starts there points at the patch."""


@dataclass(frozen=True)
class Attributed:
    """The attributions of some pictures.

    Attributes:
        maps: [M, 24, 24] or [M, 96, 96] by name.
        completeness: By baseline, how far the sum of an attribution is from what it should be, the
            logit minus the baseline's: the absolute `error`, logits, mean over pictures; and
            `relative`, the same as a share of the mean absolute difference, 0 if there is none, as
            where an untrained LayerNorm of strips lets the mean over space be 0 of any picture.
    """

    maps: Maps
    completeness: dict[str, dict[str, float]]


def attribute(
    network: Classifier, images: DeviceImages, baselines: Sequence[str] = ()
) -> Attributed:
    """Attribute the logits of some pictures to cells and pixels.

    - `trunk Grad-CAM`: features weighed by the mean of their channel's gradient, the sum's positive
      part; at the trunk's output, as all of `trunk`.
    - `trunk HiResCAM`: features times their own gradients, summed over channels; signed.
    - `trunk gradient`: the gradient's absolute value, summed over channels.
    - `trunk length`: of a cell's features; a control, for it asks no decision.
    - `input gradient`: the gradient's absolute value, summed over colours.
    - `input IG grey`, `input IG black`: see `integrated`; summed over colours, signed, so that a
      map's sum is a difference of logits.
    - `attention effective`: of a layer that attends between cells, see `effective`; what a cell
      receives, a mean over queries and heads.
    - `value norm`: the length of a cell's values, all heads together, before the output projection;
      a control, for it asks neither attention nor decision.

    Args:
        network: In whatever mode; it is put into that of evaluation.
        images: The pictures, one or more.
        baselines: Of `BASELINES`, those that Integrated Gradients starts from.
    """
    network.eval()
    found: list[dict[str, Tensor]] = []
    errors: dict[str, list[Tensor]] = {name: [] for name in baselines}
    for some in images.first(len(images)).split(AT_A_TIME):
        pictures = images.batch(some)[0]
        maps = _of_gradients(network, pictures)
        for name in baselines:
            baseline = torch.full_like(pictures, _value(name, images))
            by_pixel = integrated(network, pictures, baseline)
            maps[f"input IG {name}"] = by_pixel.sum(dim=1)
            errors[name].append(_completeness(network, pictures, baseline, by_pixel))
        found.append(maps)
    return Attributed(
        {name: np.concatenate([_numpy(maps[name]) for maps in found]) for name in found[0]},
        {name: _means(torch.cat(values, dim=1)) for name, values in errors.items()},
    )


def integrated(
    network: Classifier, pictures: Tensor, baseline: Tensor, steps: int = STEPS
) -> Tensor:
    """Return Integrated Gradients: (picture - baseline) . mean gradient on the way between them.

    The mean is taken at the middles of equal steps of the straight way (midpoint rule).

    Args:
        network: In evaluation mode.
        pictures: [B, 3, H, W], normalised.
        baseline: The same shape.
        steps: How many.

    Returns:
        [B, 3, H, W], logits; summed they are about the logit minus that of the baseline.
    """
    way = pictures - baseline
    total = torch.zeros_like(pictures)
    for step in range(steps):
        point = (baseline + (step + 0.5) / steps * way).requires_grad_()
        total += torch.autograd.grad(network(point).sum(), point)[0]
    return way * total / steps


def effective(received: Tensor, values: Tensor) -> Tensor:
    """Return attention without the part that no output can show.

    An output is weights . values, so weights w with w . values = 0 change none of it. What is left
    after their projection is taken away is the projection on the columns of the values. The output
    projection of a head is one to one, so values before it have the same null space.

    Args:
        received: [B, h, N], rows of weights over N keys, or means of such rows.
        values: [B, h, N, d_v].

    Returns:
        [B, h, N], signed.
    """
    basis, strength, _ = torch.linalg.svd(values.double(), full_matrices=False)
    least = strength[..., :1] * values.shape[-2] * torch.finfo(values.dtype).eps
    basis = basis * (strength > least)[..., None, :]
    return (basis @ (basis.mT @ received.double()[..., None]))[..., 0].to(received.dtype)


def _of_gradients(network: Classifier, pictures: Tensor) -> dict[str, Tensor]:
    """Return the maps of one gradient, [B, H, W] by name, and those of the attention layer."""
    pictures = pictures.detach().requires_grad_()
    features = network.backbone(pictures)
    logits = network.decide(network.attention(features))
    at_trunk, at_input = torch.autograd.grad(logits.sum(), (features, pictures))
    features = features.detach()
    weighed = features * at_trunk.mean(dim=(2, 3), keepdim=True)
    return {
        "trunk Grad-CAM": weighed.sum(dim=1).relu(),
        "trunk HiResCAM": (features * at_trunk).sum(dim=1),
        "trunk gradient": at_trunk.abs().sum(dim=1),
        "trunk length": torch.linalg.vector_norm(features, dim=1),
        "input gradient": at_input.abs().sum(dim=1),
        **_of_attention(network.attention, features),
    }


@torch.no_grad()
def _of_attention(layer: ImageAttention, features: Tensor) -> dict[str, Tensor]:
    """Return what its values say of attention between cells; nothing where there is none."""
    projections = [it for name, it in layer.named_modules() if name.endswith("heads.value")]
    kept: list[Tensor] = []
    hooks = [it.register_forward_hook(lambda *call: kept.append(call[2])) for it in projections]
    weights = layer.cell_weights(features)
    for hook in hooks:
        hook.remove()
    if weights is None or not kept:
        return {}
    values = kept[0].unflatten(2, (weights.shape[1], -1)).transpose(1, 2)
    maps = {
        "attention effective": effective(weights.mean(dim=2), values).mean(dim=1),
        "value norm": torch.linalg.vector_norm(kept[0], dim=2),
    }
    return {name: it.unflatten(1, features.shape[2:]) for name, it in maps.items()}


def _value(baseline: str, images: DeviceImages) -> float:
    """Return the value of a baseline's pixels, normalised units."""
    return GREY if baseline == "grey" else -images.pixels.offset / images.pixels.scale


@torch.no_grad()
def _completeness(
    network: Classifier, pictures: Tensor, baseline: Tensor, by_pixel: Tensor
) -> Tensor:
    """Return error and difference of logits, absolute, [2, B]."""
    difference = (network(pictures) - network(baseline)).double()
    return torch.stack([by_pixel.double().sum(dim=(1, 2, 3)) - difference, difference]).abs()


def _means(errors: Tensor) -> dict[str, float]:
    error, difference = errors.mean(dim=1).tolist()
    return {"error": error, "relative": error / difference if difference else 0.0}


def _numpy(maps: Tensor) -> NDArray[np.float32]:
    return maps.float().cpu().numpy()
