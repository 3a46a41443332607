import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, LayerGradientXActivation, Saliency
from helpers.pictures import images_of
from scipy.linalg import null_space

from whitepatch.maps.attributions import attribute, effective, integrated
from whitepatch.models.classifier import build

TRUNK = ["trunk Grad-CAM", "trunk HiResCAM", "trunk gradient", "trunk length"]
ATTENTION = ["attention effective", "value norm"]
ATTENDING = ("mha_linear_tokens", "mha_linear_positions", "mha_conv1d", "mha_tokens_strip_norm")
OTHERS = (
    *("cnn", "cnn_max", "cnn_hidden", "cbam", "cbam_spatial"),
    *("mha_uniform", "mha_linear", "mha_linear_norm"),
)
FLAT = [(variant, "trunk gradient") for variant in ("cnn", "cnn_hidden")]
"""Behind the mean over space every cell counts alike, and nothing stands between."""

ORACLES = ("cnn", "cnn_max", "cbam_spatial", "mha_linear_positions")


@pytest.fixture(scope="module")
def images():
    noise = images_of(4, 3)
    return noise.at(noise.labels > 0)


@pytest.fixture(scope="module")
def clean():
    """Return pictures of noise alone: in a patch, rounding decides which of equals is the most."""
    noise = images_of(4, 3)
    return noise.at(noise.labels == 0)


def exact(variant, images):
    """Return a network and its pictures in double precision."""
    return build(variant, 5).double().eval(), images.batch(images.first(len(images)))[0].double()


@pytest.mark.parametrize("variant", ATTENDING + OTHERS)
@pytest.mark.usefixtures("torch_as_before")
def test_every_variant_has_maps_at_the_common_places_and_the_same_again(images, variant):
    torch.set_deterministic_debug_mode("error")
    network, image = build(variant, 5), images.part(0, 1)
    found = attribute(network, image, ("black",))
    own = ATTENTION if variant in ATTENDING else []
    assert list(found.maps) == [*TRUNK, "input gradient", *own, "input IG black"]
    for name, values in found.maps.items():
        side = 96 if name.startswith("input") else 24
        assert values.shape == (1, side, side), name
        assert values.dtype == np.float32
        assert np.ptp(values) > 0 or (variant, name) in FLAT, name
    again = attribute(network, image, ("black",))
    assert found.completeness == again.completeness
    for name, values in found.maps.items():
        np.testing.assert_array_equal(values, again.maps[name])
    assert all(weight.grad is None for weight in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("variant", ORACLES)
def test_gradients_are_captums(clean, variant):
    network, pictures = exact(variant, clean)
    expected = {
        "trunk Grad-CAM": LayerGradCam(network, network.backbone).attribute(
            pictures, relu_attributions=True
        ),
        "trunk HiResCAM": LayerGradientXActivation(network, network.backbone).attribute(pictures),
        "input gradient": Saliency(network).attribute(pictures.requires_grad_()),
    }
    maps = attribute(build(variant, 5), clean).maps
    for name, values in expected.items():
        by_cell = values.sum(dim=1).detach().numpy()
        np.testing.assert_allclose(maps[name], by_cell, rtol=1e-3, atol=1e-4 * by_cell.max())


@pytest.mark.parametrize("variant", ORACLES)
def test_integrated_gradients_are_captums(clean, variant):
    network, pictures = exact(variant, clean)
    baseline = torch.full_like(pictures, -1)
    expected = IntegratedGradients(network).attribute(
        pictures, baseline, n_steps=7, method="riemann_middle"
    )
    torch.testing.assert_close(integrated(network, pictures, baseline, 7), expected)


def test_maps_of_integrated_gradients_start_from_grey_and_black(clean):
    network, pictures = exact("cbam", clean)
    found = attribute(build("cbam", 5), clean, ("grey", "black"))
    for name, value in (("grey", 0.0), ("black", -1.0)):
        baseline = torch.full_like(pictures, value)
        expected = integrated(network, pictures, baseline, 32).sum(dim=1).detach().numpy()
        np.testing.assert_allclose(found.maps[f"input IG {name}"], expected, atol=1e-6)
        with torch.no_grad():
            difference = (network(pictures) - network(baseline)).numpy()
        error = np.abs(expected.sum(axis=(1, 2)) - difference)
        it = found.completeness[name]
        assert it["error"] == pytest.approx(error.mean(), abs=1e-6)
        share = error.mean() / np.abs(difference).mean()
        assert it["relative"] == pytest.approx(share, abs=1e-5)


def test_a_network_that_says_the_same_of_all_has_no_relative_error(images):
    network = build("cnn", 5)
    torch.nn.init.zeros_(network.head.weight)
    found = attribute(network, images.part(0, 1), ("grey",))
    assert found.completeness == {"grey": {"error": 0.0, "relative": 0.0}}
    assert not found.maps["input IG grey"].any()


def test_integrated_gradients_by_hand():
    # of x^3 from 1 to 4 in two steps: 3 * (3 * 1.75^2 + 3 * 3.25^2) / 2; of 5y from 2 to 9: 35
    def network(pictures):
        x, y = pictures[:, 0, 0, 0], pictures[:, 0, 0, 1]
        return x**3 + 5 * y

    start, end = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 9.0]])
    found = integrated(network, end[None, None], start[None, None], 2)
    assert found.flatten().tolist() == [61.3125, 35]


def test_the_error_of_completeness_tends_to_zero(images):
    network, pictures = exact("mha_conv1d", images.part(0, 1))
    baseline = torch.zeros_like(pictures)
    with torch.no_grad():
        difference = network(pictures) - network(baseline)
    few, more, many = (
        (integrated(network, pictures, baseline, steps).sum((1, 2, 3)) - difference).abs().max()
        for steps in (1, 4, 16)
    )
    assert few > 2 * more > 4 * many


def test_the_gradient_at_the_trunk_by_hand(images):
    network = build("cnn", 5)
    maps = attribute(network, images).maps
    expected = network.head.weight.abs().sum().item() / 576
    np.testing.assert_allclose(maps["trunk gradient"], expected, rtol=1e-5)
    with torch.no_grad():
        look = network.look(images.batch(images.first(2))[0])
    # without a layer CAM is HiResCAM and, but for the sign, Grad-CAM, times the number of cells
    np.testing.assert_allclose(maps["trunk HiResCAM"] * 576, look.evidence, atol=1e-5)
    np.testing.assert_allclose(maps["trunk Grad-CAM"] * 576, look.evidence.relu(), atol=1e-5)
    length = (look.before**2).sum(dim=1).sqrt()
    np.testing.assert_allclose(maps["trunk length"], length, rtol=1e-5)


def test_effective_attention_by_hand():
    # of values 1, 2, 2 the weights 1, 0, 0 are seen as 1/9 of them
    values = torch.tensor([1.0, 2.0, 2.0])[None, None, :, None]
    received = torch.tensor([[[1.0, 0.0, 0.0]]])
    expected = torch.tensor([[[1.0, 2.0, 2.0]]]) / 9
    torch.testing.assert_close(effective(received, values), expected)
    # a second number that only repeats the first adds no dimension
    torch.testing.assert_close(effective(received, values.repeat(1, 1, 1, 2)), expected)


@pytest.mark.parametrize("variant", ["mha_conv1d", "mha_linear_positions"])
def test_effective_attention_by_its_definition(images, variant):
    """All weights less their projection on the null space of what a head hands on, transposed."""
    network, pictures = exact(variant, images)
    layer = network.attention
    heads, output = layer.attention.heads, layer.attention.output
    maps = attribute(build(variant, 5), images).maps
    with torch.no_grad():
        features = network.backbone(pictures)
        tokens = layer._tokens(features)
        weights, values = layer.weights(features)[1].numpy(), heads.value(tokens)[1].numpy()
    parts = np.split(output.weight.detach().numpy(), 4, axis=1)
    seen = []
    for number, value in enumerate(np.split(values, 4, axis=1)):
        null = null_space((value @ parts[number].T).T)
        assert null.shape == (576, 576 - value.shape[1])
        seen.append(weights[number] - weights[number] @ null @ null.T)
        np.testing.assert_allclose(seen[-1] @ value, weights[number] @ value, atol=1e-9)
    expected = np.mean(seen, axis=(0, 1)).reshape(24, 24)
    np.testing.assert_allclose(maps["attention effective"][1], expected, atol=1e-7)
    norm = np.sqrt((values**2).sum(axis=1)).reshape(24, 24)
    np.testing.assert_allclose(maps["value norm"][1], norm, rtol=1e-4)
