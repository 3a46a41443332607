import numpy as np
import torch

from whitepatch.models.layers.backbone import Backbone


def array(tensor):
    return tensor.detach().numpy().astype(np.float64)


def test_backbone():
    torch.manual_seed(7)
    layer = Backbone().eval()
    with torch.no_grad():
        for norm in (layer.norm1, layer.norm2):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    images = torch.randn(1, 3, 8, 12)

    def convolve(x, conv):
        padded = np.pad(x, ((0, 0), (2, 2), (2, 2)))
        kernel, out = array(conv.weight), np.zeros((32, *x.shape[1:]))
        for row in range(x.shape[1]):
            for column in range(x.shape[2]):
                window = padded[:, row : row + 5, column : column + 5]
                out[:, row, column] = np.einsum("oiyx,iyx->o", kernel, window)
        return out + array(conv.bias)[:, None, None]

    x = array(images)[0]
    for conv, norm in ((layer.conv1, layer.norm1), (layer.conv2, layer.norm2)):
        x = convolve(x, conv)
        x = np.where(x > 0, x, 0.01 * x)
        x = (x - array(norm.running_mean)[:, None, None]) / np.sqrt(
            array(norm.running_var)[:, None, None] + norm.eps
        )
        x = x.reshape(32, x.shape[1] // 2, 2, x.shape[2] // 2, 2).max((2, 4))
    np.testing.assert_allclose(array(layer(images))[0], convolve(x, layer.conv3), atol=1e-5)
