import numpy as np
import pytest
import torch
from helpers.pictures import patch_of

from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan
from whitepatch.params import Pixels


@pytest.fixture
def images():
    pictures = np.random.default_rng(3).integers(256, size=(3, 3, 96, 96), dtype=np.uint8)
    plan = Plan(np.array([1, 0, 1]), np.array([[5], [-1], [80]]), np.array([[7], [-1], [0]]))
    patch = patch_of(value=1.25)
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


def test_patches_differ_in_size_contrast_and_colour_and_the_second_comes_last():
    pictures = np.random.default_rng(4).integers(256, size=(2, 3, 96, 96), dtype=np.uint8)
    plan = Plan(
        np.array([1, 0]),
        np.array([[2, 4], [60, -1]]),
        np.array([[3, 3], [8, -1]]),
        sizes=np.array([4, 8]),
        contrasts=np.array([1.0, 0.25]),
        colours=np.array([[[255, 0, 64], [0, 255, 0]], [[128, 0, 0], [1, 2, 3]]], np.uint8),
    )
    part = Part(np.arange(2), pictures, plan)
    device = DeviceImages.of(part, patch_of(), Pixels(offset=128, scale=128), torch.device("cpu"))
    expected = (pictures.astype(np.float32) - 128) / 128
    expected[0, :, 2:6, 3:7] = ((np.array([255, 0, 64]) - 128) / 128)[:, None, None]
    expected[0, :, 4:8, 3:7] = ((np.array([0, 255, 0]) - 128) / 128)[:, None, None]
    some = expected[1, :, 60:68, 8:16]
    some[:] = 0.75 * some + 0.25 * ((np.array([128, 0, 0]) - 128) / 128)[:, None, None]
    batch, _ = device.batch(torch.tensor([0, 1]))
    assert np.allclose(batch.numpy(), expected, rtol=0, atol=1e-6)
    assert (batch.numpy()[0] == expected[0]).all(), "a full contrast leaves nothing below"


@pytest.mark.parametrize(("distractor", "second"), [(None, 1.25), (0.0, 0.0)])
def test_the_second_of_two_patches_is_as_the_parameters_say(distractor, second):
    pictures = np.zeros((1, 3, 96, 96), np.uint8)
    plan = Plan(np.array([0]), np.array([[-1, 7]]), np.array([[-1, 9]]))
    patch = patch_of(value=1.25, distractor=distractor)
    part = Part(np.arange(1), pictures, plan)
    device = DeviceImages.of(part, patch, Pixels(offset=128, scale=128), torch.device("cpu"))
    batch, _ = device.batch(torch.tensor([0]))
    assert (batch[0, :, 7:23, 9:25] == second).all()
    assert (batch == -1).sum() == 3 * (96 * 96 - 16 * 16)
