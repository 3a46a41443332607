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
    """One part of a split on a device: N images with up to P patches each.

    Attributes:
        bytes: uint8 [N, 96, 96, 3]; the channels come last, so a batch of them is a
            [B, 3, 96, 96] tensor in the memory order that convolutions like best.
        labels: float32 [N], 0 or 1.
        tops: [N, P], first row of each patch, or -1.
        lefts: [N, P], first column of each patch, or -1.
        sizes: [N], pixels, of an image's patches.
        contrasts: float32 [N], weight of the patch where it covers the picture.
        colours: float32 [N, P, 3], normalised units.
        patch: The parameters that it was made by.
        pixels: The normalisation.
    """

    bytes: Tensor
    labels: Tensor
    tops: Tensor
    lefts: Tensor
    sizes: Tensor
    contrasts: Tensor
    colours: Tensor
    patch: Patch
    pixels: Pixels

    @classmethod
    def of(cls, part: Part, patch: Patch, pixels: Pixels, device: torch.device) -> "DeviceImages":
        """Put a loaded part on a device.

        Args:
            part: What its plan leaves open is the same for all images, as `patch` says.
            patch: Size, contrast and brightness.
            pixels: The normalisation.
            device: Where to.
        """
        plan = part.plan
        number, patches = plan.tops.shape
        if plan.colours is None:
            second = patch.value if patch.distractor is None else patch.distractor
            values = torch.tensor([patch.value, second][:patches])
            colours = values[None, :, None].repeat(number, 1, 3)
        else:
            colours = (torch.from_numpy(plan.colours).float() - pixels.offset) / pixels.scale
        sizes, contrasts = (
            torch.full([number], every) if own is None else torch.from_numpy(own)
            for own, every in ((plan.sizes, patch.size), (plan.contrasts, patch.contrast))
        )
        return cls(
            torch.from_numpy(part.images).permute(0, 2, 3, 1).contiguous().to(device),
            torch.from_numpy(plan.labels).float().to(device),
            torch.from_numpy(plan.tops).to(device),
            torch.from_numpy(plan.lefts).to(device),
            sizes.to(device),
            contrasts.float().to(device),
            colours.to(device),
            patch,
            pixels,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, chosen: Tensor | slice) -> "DeviceImages":
        """Return some of the images; those of a slice without a copy."""
        fields = ("bytes", "labels", "tops", "lefts", "sizes", "contrasts", "colours")
        return replace(self, **{name: getattr(self, name)[chosen] for name in fields})

    def part(self, start: int, stop: int) -> "DeviceImages":
        """Return images start to stop - 1, without a copy."""
        return self.at(slice(start, stop))

    def first(self, number: int) -> Tensor:
        """Return the indices of the first images, [number], on the device."""
        return torch.arange(number, device=self.labels.device)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return images and labels of a batch.

        Args:
            index: [B], integers, on the device.

        Returns:
            float32 [B, 3, 96, 96], normalised, with the patches where the plan puts them; and the
            labels, float32 [B].
        """
        images = (self.bytes[index].permute(0, 3, 1, 2).float() - self.pixels.offset).div_(
            self.pixels.scale
        )
        weight = self.contrasts[index, None, None, None]
        for patch in range(self.tops.shape[1]):
            colour = self.colours[index, patch, :, None, None]
            covered = self.covered(index, patch)[:, None]
            images = torch.where(covered, weight * colour + (1 - weight) * images, images)
        return images, self.labels[index]

    def covered(self, index: Tensor, patch: int = 0) -> Tensor:
        """Return which pixels a patch covers, bool [B, 96, 96]."""
        pixel = torch.arange(SIDE, device=index.device)
        tops, lefts = self.tops[index, patch, None], self.lefts[index, patch, None]
        sizes = self.sizes[index, None]
        rows = (pixel >= tops) & (pixel < tops + sizes) & (tops >= 0)
        columns = (pixel >= lefts) & (pixel < lefts + sizes)
        return rows[:, :, None] & columns[:, None, :]
