"""Our networks against the article's own formulation, with its weights copied."""

import numpy as np
import pytest
import torch
from article import ATTENTION, Network, batch
from PIL import Image
from safetensors.torch import load_file, save_file

from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.plan import plan
from whitepatch.models.article_weights import from_article
from whitepatch.models.classifier import build


def printed(variant):
    """Return a network of the article in eval mode, no number at its start value."""
    torch.manual_seed(3)
    network = Network(variant).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor) * 0.05)
    return network


@pytest.mark.parametrize("variant", ATTENTION)
def test_weights_under_the_articles_names_give_the_same_outputs(variant, tmp_path):
    theirs, ours = printed(variant), build(variant, 0).eval()
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours.load_state_dict(from_article(load_file(tmp_path / "theirs.safetensors")))
    pictures = torch.randn(5, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.sigmoid(ours(pictures)), theirs(pictures)[:, 0], atol=1e-5, rtol=1e-5
        )


def test_a_name_that_is_not_the_articles_is_refused():
    with pytest.raises(ValueError, match=r"'conv\.c9\.weight' is none of the article's names"):
        from_article({"conv.c9.weight": torch.zeros(1)})


def test_a_batch_of_the_articles_loop_is_a_batch_of_ours(everything):
    experiment = everything.experiment("article")
    bytes_ = np.random.default_rng(1).integers(256, size=(200, 3, 96, 96), dtype=np.uint8)
    names = [("train", row) for row in range(200)]
    part = Part(np.arange(200), bytes_, plan(names, experiment.patch, 100))
    ours = DeviceImages.of(part, experiment.patch, experiment.pixels, torch.device("cpu"))
    for start in (0, 100):
        pictures = [Image.fromarray(x.transpose(1, 2, 0)) for x in bytes_[start : start + 100]]
        images, labels = batch(pictures)
        found, found_labels = ours.batch(torch.arange(start, start + 100))
        assert (found.numpy() == images.astype(np.float32)).all()
        assert (found_labels.numpy() == labels).all()
