"""The article's networks and loop, in its own formulation: the baseline of `make bench`.

Written from the description in docs/article.md, under the names that the article prints: heads
one by one, scores by broadcasting, pictures one by one. Nothing here is used by the pipeline.
"""

__all__ = ["Network", "batch"]

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F


class ConvPart(nn.Module):
    """The trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.c1a = nn.Conv2d(3, 32, 5, padding=2)
        self.bn1a = nn.BatchNorm2d(32)
        self.c2a = nn.Conv2d(32, 32, 5, padding=2)
        self.bn2a = nn.BatchNorm2d(32)
        self.c3 = nn.Conv2d(32, 32, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.bn1a(F.leaky_relu(self.c1a(x))), 2)
        x = F.max_pool2d(self.bn2a(F.leaky_relu(self.c2a(x))), 2)
        return self.c3(x)


class Linear(nn.Module):
    """Multi-head attention over what `reshape` makes of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.w_qs = nn.Linear(32, 32, bias=False)
        self.w_ks = nn.Linear(32, 32, bias=False)
        self.w_vs = nn.Linear(32, 32, bias=False)
        self.fc = nn.Linear(32, 32, bias=False)
        self.dropout = nn.Dropout(0.1)
        self.layer_norm = nn.LayerNorm(32, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        x = x.reshape(len(x), -1, 32)
        residual = x
        query, key, value = (
            w(x).view(len(x), -1, 4, 8).transpose(1, 2) for w in (self.w_qs, self.w_ks, self.w_vs)
        )
        weights = F.softmax(torch.matmul(query / 8**0.5, key.transpose(2, 3)), dim=-1)
        x = torch.matmul(weights, value).transpose(1, 2).contiguous().view(len(x), -1, 32)
        x = self.layer_norm(self.dropout(self.fc(x)) + residual)
        return x.reshape(shape)


class Head(nn.Module):
    """One head of the Conv1d version; scores by broadcasting, [B, 32, keys, queries]."""

    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Conv1d(32, 32, 1)
        self.value = nn.Conv1d(32, 32, 1)
        self.query = nn.Conv1d(32, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        key, value, query = self.key(x), self.value(x), self.query(x)
        scores = (key[:, :, :, None] * query[:, :, None, :]).sum(1) / 32**0.5
        return torch.bmm(value, F.softmax(scores, dim=1))


class Conv1d(nn.Module):
    """Multi-head attention from convolutions of kernel 1, and mixing layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Head() for _ in range(4)])
        self.proj_down = nn.Conv1d(128, 32, 1)
        self.mixing_layer1 = nn.Conv1d(32, 32, 1)
        self.mixing_layer2 = nn.Conv1d(32, 32, 1)
        self.norm1 = nn.LayerNorm(32)
        self.norm2 = nn.LayerNorm(32)

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        x = x.flatten(2)
        heads = torch.cat([layer(x) for layer in self.layers], dim=1)
        x = self.norm1((self.proj_down(heads) + x).transpose(1, 2)).transpose(1, 2)
        mixed = self.mixing_layer2(F.relu(self.mixing_layer1(x)))
        return self.norm2((mixed + x).transpose(1, 2)).transpose(1, 2).reshape(shape)


class ChannelGate(nn.Module):
    """The only gate of the article's CBAM."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(32, 2), nn.ReLU(), nn.Linear(2, 32))

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        pooled = self.mlp(F.avg_pool2d(x, size)) + self.mlp(F.max_pool2d(x, size))
        return x * torch.sigmoid(pooled)[:, :, None, None].expand_as(x)


class SpatialGate(nn.Module):
    """The gate that the article leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.ModuleDict(
            {
                "conv": nn.Conv2d(2, 1, 7, padding=3, bias=False),
                "bn": nn.BatchNorm2d(1, momentum=0.01),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.max(1, keepdim=True).values, x.mean(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial["bn"](self.spatial["conv"](pooled)))


class CBAM(nn.Module):
    """Channel gate; then the spatial one, if wanted."""

    def __init__(self, spatial: bool = False) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate()
        if spatial:
            self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        x = self.ChannelGate(x)
        return self.SpatialGate(x) if hasattr(self, "SpatialGate") else x


ATTENTION = {
    "cnn": nn.Identity,
    "mha_linear": Linear,
    "mha_conv1d": Conv1d,
    "cbam": CBAM,
    "cbam_spatial": lambda: CBAM(spatial=True),
}
"""The layer of each variant that the article has, and of its CBAM in full."""


class Network(nn.Module):
    """Features -> attention -> mean over space -> Linear -> sigmoid."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.conv = ConvPart()
        self.attn1 = ATTENTION[variant]()
        self.final = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, 3, 96, 96] to probabilities [B, 1]."""
        x = self.attn1(self.conv(x))
        return torch.sigmoid(self.final(x.mean(3).mean(2)))


def batch(pictures: list[Image.Image]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pictures and labels of a batch: one by one, by the place in the batch."""
    images, labels = [], []
    for place, picture in enumerate(pictures):
        image = (np.array(picture).astype(float) - 128) / 128
        image = image.transpose(2, 0, 1)
        np.random.seed(place + 10)  # noqa: NPY002 -- as printed
        label = np.random.randint(2)  # noqa: NPY002
        if label:
            top, left = np.random.randint(80), np.random.randint(80)  # noqa: NPY002
            image[:, top : top + 16, left : left + 16] = 1
        images.append(image)
        labels.append(label)
    return np.array(images), np.array(labels, float)
