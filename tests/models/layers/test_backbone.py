import pytest
import torch
from torch.nn.functional import pad

from whitepatch.models.layers.backbone import Backbone


def convolve(x, conv):
    """Convolve [B, C, H, W] by the formula, place by place."""
    height, width = x.shape[2:]
    padded = pad(x, (2, 2, 2, 2))
    places = [
        torch.einsum("oiyx,biyx->bo", conv.weight, padded[:, :, row : row + 5, column : column + 5])
        for row in range(height)
        for column in range(width)
    ]
    out = torch.stack(places, dim=2).reshape(len(x), 32, height, width)
    return out + conv.bias[:, None, None]


def normalise(x, norm, training):
    mean, variance = norm.running_mean, norm.running_var
    if training:
        number = x.numel() / 32
        mean = x.sum((0, 2, 3)) / number
        variance = ((x - mean[:, None, None]) ** 2).sum((0, 2, 3)) / number
    scale = norm.weight / (variance + norm.eps) ** 0.5
    return (x - mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


@pytest.mark.parametrize("training", [False, True])
def test_backbone_and_its_gradient(training):
    torch.manual_seed(7)
    layer = Backbone().double().train(training)
    with torch.no_grad():
        for norm in (layer.norm1, layer.norm2):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.weight.normal_()
            norm.bias.normal_()
    images = torch.randn(2, 3, 8, 12, dtype=torch.float64, requires_grad=True)
    x = images
    for conv, norm in ((layer.conv1, layer.norm1), (layer.conv2, layer.norm2)):
        x = convolve(x, conv)
        x = normalise(torch.where(x > 0, x, 0.01 * x), norm, training)
        x = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))
    expected = convolve(x, layer.conv3)
    ours = layer(images)
    torch.testing.assert_close(ours, expected)
    factors = torch.randn_like(expected)
    inputs = [images, *layer.parameters()]
    found, wanted = (torch.autograd.grad((out * factors).sum(), inputs) for out in (ours, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
