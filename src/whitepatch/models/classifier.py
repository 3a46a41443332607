"""Trunk, attention, readout, head: the network around every variant."""

__all__ = ["Classifier", "Look", "build", "title"]

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor, nn

from whitepatch.errors import UserError
from whitepatch.models import variants
from whitepatch.models.layers.backbone import CHANNELS, Backbone
from whitepatch.models.layers.image import ImageAttention, NoAttention
from whitepatch.models.layers.readout import MeanReadout
from whitepatch.seeding import seed_for


@dataclass(frozen=True)
class Look:
    """What a network shows of its decision.

    Attributes:
        logits: [B].
        evidence: [B, H, W], class activation mapping (CAM, Zhou et al. 2016,
            https://arxiv.org/abs/1512.04150): head's weights times `after`. Its mean over a picture
            plus the head's bias is the logit, exactly; so it is defined where the readout is that
            mean, and None elsewhere.
        before: [B, C, H, W], what the attention layer receives.
        after: [B, C, H, W], what it hands on.
    """

    logits: Tensor
    evidence: Tensor | None
    before: Tensor
    after: Tensor


class Classifier(nn.Module):
    """Does the picture have a white patch? Features -> attention -> readout -> Linear."""

    def __init__(
        self, backbone: Backbone, attention: ImageAttention, readout: nn.Module, head: nn.Linear
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.attention = attention
        self.readout = readout
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, 96, 96] to logits [B]."""
        return self.decide(self.attention(self.backbone(images)))

    def decide(self, features: Tensor) -> Tensor:
        """Map what the attention layer hands on, [B, C, H, W], to logits [B]."""
        return self.head(self.readout(features)).squeeze(1)

    def look(self, images: Tensor) -> Look:
        """Map images [B, 3, 96, 96] to logits and what is behind them."""
        before = self.backbone(images)
        after = self.attention(before)
        if not isinstance(self.readout, MeanReadout):
            return Look(self.decide(after), None, before, after)
        evidence = torch.einsum("bchw,c->bhw", after, self.head.weight[0])
        return Look(evidence.mean(dim=(1, 2)) + self.head.bias, evidence, before, after)


def build(variant: str, seed: int) -> Classifier:
    """Return the untrained network of a variant.

    Trunk and head are drawn before attention and readout, so for one seed all variants start from
    the same trunk and the same head.

    Args:
        variant: Name of a file in `models/variants`.
        seed: Of the initial weights.

    Raises:
        UserError: There is no such file.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_for("weights", seed))
        backbone, head = Backbone(), nn.Linear(CHANNELS, 1)
        module = _module(variant)
        attention = module.attention() if hasattr(module, "attention") else NoAttention()
        readout = module.readout() if hasattr(module, "readout") else MeanReadout()
        network = Classifier(backbone, attention, readout, head)
    # channels last in memory: convolutions run up to a quarter faster
    return network.to(memory_format=torch.channels_last)


def title(variant: str) -> str:
    """Return the name of a variant that people read."""
    return str(_module(variant).TITLE)


def _module(variant: str) -> ModuleType:
    name = f"{variants.__name__}.{variant}"
    if find_spec(name) is None:
        raise UserError(
            f"variant {variant!r} has no file {variant}.py in src/whitepatch/models/variants; "
            f"write one, or take it out of params.yaml"
        )
    return import_module(name)
