"""Trunk, attention, head: the network around every variant."""

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
from whitepatch.models.layers.image import ImageAttention
from whitepatch.seeding import seed_for


@dataclass(frozen=True)
class Look:
    """What a network shows of its decision.

    Attributes:
        logits: [B].
        evidence: [B, H, W], class activation mapping (CAM, Zhou et al. 2016,
            https://arxiv.org/abs/1512.04150): head's weights times `after`. Its mean over a picture
            plus the head's bias is the logit, exactly.
        before: [B, C, H, W], what the attention layer receives.
        after: [B, C, H, W], what it hands on.
    """

    logits: Tensor
    evidence: Tensor
    before: Tensor
    after: Tensor


class Classifier(nn.Module):
    """Does the picture have a white patch? Features -> attention -> mean over space -> Linear."""

    def __init__(self, attention: ImageAttention, backbone: Backbone, head: nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.attention = attention
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, 96, 96] to logits [B]."""
        return self.head(self.attention(self.backbone(images)).mean(dim=(2, 3))).squeeze(1)

    def look(self, images: Tensor) -> Look:
        """Map images [B, 3, 96, 96] to logits and what is behind them."""
        before = self.backbone(images)
        after = self.attention(before)
        evidence = torch.einsum("bchw,c->bhw", after, self.head.weight[0])
        return Look(
            logits=evidence.mean(dim=(1, 2)) + self.head.bias,
            evidence=evidence,
            before=before,
            after=after,
        )


def build(variant: str, seed: int) -> Classifier:
    """Return the untrained network of a variant.

    Trunk and head are drawn before the attention layer, so for one seed all variants start from
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
        network = Classifier(_module(variant).attention(), backbone, head)
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
