import json

import pytest
import torch

from whitepatch.errors import UserError
from whitepatch.models.classifier import build, title

COUNTS = {
    "cnn": 53_857,
    "mha_linear": 58_017,
    "mha_conv1d": 72_897,
    "cbam": 54_019,
    "mha_linear_tokens": 58_017,
    "cbam_spatial": 54_119,
    "mha_linear_positions": 58_017,
    "cnn_max": 53_857,
    "cnn_hidden": 58_049,
    "mha_uniform": 55_969,
    "mha_linear_norm": 58_017,
    "mha_tokens_strip_norm": 58_017,
}
WITHOUT_EVIDENCE = ("cnn_max", "cnn_hidden")
MAPS = {
    "mha_linear": ["strips"],
    "mha_conv1d": ["attention mean"],
    "mha_linear_tokens": ["attention mean"],
    "cbam_spatial": ["attention gate"],
    "mha_linear_positions": ["attention mean"],
    "mha_linear_norm": ["strips"],
    "mha_tokens_strip_norm": ["attention mean"],
}


@pytest.fixture(scope="module")
def pictures():
    return torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(5))


def test_every_variant_is_pinned(root):
    """A new one is pinned here and in state_dicts.json, and its files load for ever."""
    files = (root / "src/whitepatch/models/variants").glob("[a-z]*.py")
    assert {path.stem for path in files} == set(COUNTS)


@pytest.mark.parametrize("variant", COUNTS)
def test_parameter_counts_are_the_articles(variant):
    network = build(variant, 0)
    assert sum(weight.numel() for weight in network.parameters()) == COUNTS[variant]


@pytest.mark.parametrize("variant", COUNTS)
def test_evidence_adds_up_to_the_logit(variant, pictures):
    network = build(variant, 3).eval()
    look = network.look(pictures)
    torch.testing.assert_close(look.logits, network(pictures), atol=1e-6, rtol=1e-5)
    assert look.before.shape == look.after.shape == (2, 32, 24, 24)
    assert (look.evidence is None) == (variant in WITHOUT_EVIDENCE), "CAM is undefined there"
    if look.evidence is None:
        return
    mean = look.evidence.mean((1, 2)) + network.head.bias
    torch.testing.assert_close(mean, network(pictures), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(look.logits, mean)
    assert look.evidence.shape == (2, 24, 24)


@pytest.mark.parametrize("variant", COUNTS)
def test_a_variant_has_maps_over_space_exactly_if_it_attends_to_places(variant, pictures):
    network = build(variant, 3).eval()
    maps = network.attention.maps(network.look(pictures).before)
    assert list(maps) == MAPS.get(variant, [])
    assert all(x.shape == (2, 24, 24) and x.min() >= 0 for x in maps.values())


@pytest.mark.parametrize("variant", COUNTS)
def test_hooks_see_what_every_module_returns_and_its_gradient(variant, pictures):
    """Grad-CAM, Captum and feature extractors are made of hooks; work in place would break them."""
    network = build(variant, 3).train()
    kept, gradients = [], {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda *passed: kept.append((passed[2], passed[2].clone())))
        module.register_full_backward_hook(
            lambda *passed, name=name: gradients.update({name: passed[2][0]})
        )
    network(pictures.clone().requires_grad_()).sum().backward()
    assert kept
    assert all(torch.equal(now, then) for now, then in kept)
    assert set(gradients) == {name for name, _ in network.named_modules()}


def test_the_plain_cnn_hands_its_features_on(pictures):
    look = build("cnn", 1).look(pictures)
    assert look.before is look.after


def test_one_seed_starts_all_variants_from_the_same_trunk_and_head():
    first, *others = [build(variant, 4).state_dict() for variant in COUNTS]
    shared = [name for name in first if name.startswith(("backbone.", "head."))]
    assert len(shared) == len(first)
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in shared)


def test_the_seed_alone_decides_and_no_global_generator_moves():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (build("cbam", seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_weights_of_earlier_versions_still_load(root):
    """state_dicts.json is what every trained network has; renaming a weight would lose it."""
    known = json.loads((root / "tests/models/state_dicts.json").read_text())
    assert set(known) == set(COUNTS)
    for variant, shapes in known.items():
        state = build(variant, 0).state_dict()
        assert {name: list(tensor.shape) for name, tensor in state.items()} == shapes, variant


def test_a_variant_without_a_file_is_named_with_the_cure():
    with pytest.raises(UserError, match=r"'resnet' has no file resnet\.py in .*variants"):
        build("resnet", 0)
    assert title("cnn") == "CNN"


def test_as_printed_linear_attention_starts_blind_and_almost_nothing_of_it_learns():
    """Defect 2 of docs/article.md: its norm takes the mean that the head asks for."""
    pictures = torch.randn(8, 3, 96, 96, generator=torch.Generator().manual_seed(5)).double()
    labels = (torch.arange(8) % 2).double()
    spreads, steepest = {}, {}
    for variant in ("mha_linear", "mha_linear_tokens"):
        network = build(variant, 0).double().train()
        logits = network(pictures)
        torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
        spreads[variant] = float((logits.max() - logits.min()).detach())
        steepest[variant] = {
            name: float(weight.grad.abs().max()) for name, weight in network.named_parameters()
        }
    assert spreads["mha_linear"] < 1e-14 < 1e-3 < spreads["mha_linear_tokens"]
    assert min(steepest["mha_linear_tokens"].values()) > 1e-5
    learns = {name for name, gradient in steepest["mha_linear"].items() if gradient > 1e-12}
    assert learns == {
        "attention.attention.norm.weight",
        "attention.attention.norm.bias",
        "head.bias",
    }
