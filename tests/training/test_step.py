import pytest
import torch
from helpers.pictures import images_of

from whitepatch.models.classifier import build
from whitepatch.params import Runtime
from whitepatch.training.adam import Adam
from whitepatch.training.step import Step, forward

CPU = Runtime(device="cpu", threads=1, precision="fp32", cuda_graph=False)


@pytest.fixture
def images():
    return torch.randn(4, 3, 96, 96, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("variant", ["cnn", "mha_linear", "mha_conv1d", "cbam_spatial"])
def test_bf16_is_near_fp32_and_not_the_same(images, variant):
    network = build(variant, 0).eval()
    with torch.inference_mode():
        exact, short = (forward(network, images, p) for p in ("fp32", "bf16"))
    assert short.dtype == torch.float32
    assert not torch.equal(exact, short)
    # bf16 keeps 8 bits
    torch.testing.assert_close(short, exact, rtol=0.05, atol=0.02)


def test_fp32_is_the_network_itself(images):
    network = build("cbam", 0).eval()
    assert torch.equal(forward(network, images, "fp32"), network(images))


def test_a_graph_is_only_for_a_gpu(everything):
    """The same step on the CPU, whatever the parameter says."""
    protocol = everything.experiment("demo").train
    results = []
    for runtime in (CPU, CPU.model_copy(update={"cuda_graph": True})):
        network = build("cnn", 0).train()
        step = Step(network, Adam(network.parameters()), images_of(4, 1), protocol, runtime)
        results.append([step(torch.tensor([0, 1, 2]), 0.01).tolist() for _ in range(5)])
    assert results[0] == results[1]
    assert results[0][0][0] != results[0][4][0], "it learns"
