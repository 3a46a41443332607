import numpy as np
import pytest
import torch

from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan
from whitepatch.params import Patch, Pixels


@pytest.fixture
def images():
    pictures = np.random.default_rng(3).integers(256, size=(3, 3, 96, 96), dtype=np.uint8)
    plan = Plan(np.array([1, 0, 1]), np.array([5, -1, 80]), np.array([7, -1, 0]))
    patch = Patch(plan="per_image", seed=1, probability=0.5, size=16, positions=81, value=1.25)
    part = Part(np.arange(3), pictures, plan)
    pixels = Pixels(offset=128, scale=128)
    return pictures, DeviceImages.of(part, patch, pixels, torch.device("cpu"))


def test_the_patch_changes_its_own_pixels_and_no_others(images):
    pictures, device = images
    batch, labels = device.batch(torch.tensor([2, 1, 0]))
    expected = (pictures[[2, 1, 0]].astype(np.float32) - 128) / 128
    expected[0, :, 80:96, 0:16] = 1.25
    expected[2, :, 5:21, 7:23] = 1.25
    assert (batch.numpy() == expected).all()
    assert labels.tolist() == [1, 0, 1]


def test_a_batch_lies_in_memory_as_convolutions_like_it(images):
    batch, _ = images[1].batch(torch.tensor([0, 1]))
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.dtype == torch.float32


def test_the_bytes_at_rest_stay_clean(images):
    pictures, device = images
    before = device.bytes.clone()
    device.batch(torch.tensor([0, 2]))
    assert (device.bytes == before).all()
    assert (device.bytes.permute(0, 3, 1, 2).numpy() == pictures).all()
