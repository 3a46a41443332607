"""Images on the device: bytes at rest, normalised and patched when a batch asks for them."""

__all__ = ["DeviceImages"]

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from whitepatch.data.layout import SIDE
from whitepatch.data.manifest import Part
from whitepatch.params import Patch, Pixels


@dataclass(frozen=True)
class DeviceImages:
    """One split on a device.

    Attributes:
        bytes: uint8 [N, 96, 96, 3]; the channels come last, so a batch of them is a
            [B, 3, 96, 96] tensor in the memory order that convolutions like best.
        labels: float32 [N], 0 or 1.
        tops: [N], first row of the patch, or -1.
        lefts: [N], first column of the patch, or -1.
        patch: Its size in pixels and its value in normalised units.
        pixels: The normalisation.
    """

    bytes: Tensor
    labels: Tensor
    tops: Tensor
    lefts: Tensor
    patch: Patch
    pixels: Pixels

    @classmethod
    def of(cls, part: Part, patch: Patch, pixels: Pixels, device: torch.device) -> "DeviceImages":
        """Put a loaded split on a device."""
        return cls(
            torch.from_numpy(part.images).permute(0, 2, 3, 1).contiguous().to(device),
            torch.from_numpy(part.plan.labels).float().to(device),
            torch.from_numpy(part.plan.tops).to(device),
            torch.from_numpy(part.plan.lefts).to(device),
            patch,
            pixels,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, stop: int) -> "DeviceImages":
        """Return images start to stop - 1, without a copy."""
        chosen = slice(start, stop)
        return replace(
            self,
            bytes=self.bytes[chosen],
            labels=self.labels[chosen],
            tops=self.tops[chosen],
            lefts=self.lefts[chosen],
        )

    def first(self, number: int) -> Tensor:
        """Return the indices of the first images, [number], on the device."""
        return torch.arange(number, device=self.labels.device)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return images and labels of a batch.

        Args:
            index: [B], integers, on the device.

        Returns:
            float32 [B, 3, 96, 96], normalised, with the white patch where the plan puts one; and
            the labels, float32 [B].
        """
        images = (self.bytes[index].permute(0, 3, 1, 2).float() - self.pixels.offset).div_(
            self.pixels.scale
        )
        images.masked_fill_(self.covered(index)[:, None], self.patch.value)
        return images, self.labels[index]

    def covered(self, index: Tensor) -> Tensor:
        """Return which pixels the patch covers, bool [B, 96, 96]."""
        pixel = torch.arange(SIDE, device=index.device)
        tops, lefts = self.tops[index, None], self.lefts[index, None]
        rows = (pixel >= tops) & (pixel < tops + self.patch.size) & (tops >= 0)
        columns = (pixel >= lefts) & (pixel < lefts + self.patch.size)
        return rows[:, :, None] & columns[:, None, :]
