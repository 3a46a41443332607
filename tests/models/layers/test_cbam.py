import itertools

import pytest
import torch
from helpers import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from whitepatch.models.layers.cbam import CBAM, POOLS, ChannelGate, SpatialGate

COMBINATIONS = [
    pools for number in (1, 2, 3, 4) for pools in itertools.combinations(list(POOLS), number)
]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


def ready(layer):
    """Return a layer in float64 and eval mode, its norm's numbers away from 0 and 1."""
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return layer.double().eval()


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("pools", COMBINATIONS, ids="+".join)
def test_cbam_and_its_gradient(pools, spatial):
    layer = ready(CBAM(10, 5, pools, spatial=spatial))
    features = torch.randn(2, 10, 3, 5, dtype=torch.float64, requires_grad=True)
    ours, expected = layer(features), reference.cbam(features, layer)
    torch.testing.assert_close(ours, expected)
    factors = torch.randn_like(expected)
    inputs = [features, *layer.parameters()]
    found, wanted = (torch.autograd.grad((out * factors).sum(), inputs) for out in (ours, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_the_gates_are_the_factors():
    layer = ready(CBAM(10, 5))
    features = torch.randn(2, 10, 3, 5, dtype=torch.float64)
    channel, space = layer.gates(features)
    assert (channel.shape, space.shape) == ((2, 10, 1, 1), (2, 1, 3, 5))
    torch.testing.assert_close(layer(features), features * channel * space)
    torch.testing.assert_close(layer.maps(features), {"attention gate": space[:, 0]})
    torch.testing.assert_close(layer.channel_factors(features), channel[:, :, 0, 0])
    without = CBAM(10, 5, spatial=False)
    assert without.gates(features.float())[1] is None
    assert without.maps(features.float()) == {}


def test_gates_of_one_change_nothing(monkeypatch):
    monkeypatch.setattr(ChannelGate, "forward", lambda _, x: torch.ones(len(x), x.shape[1], 1, 1))
    monkeypatch.setattr(SpatialGate, "forward", lambda _, x: torch.ones(len(x), 1, *x.shape[2:]))
    features = torch.randn(2, 16, 3, 5)
    assert torch.equal(CBAM(16)(features), features)


@pytest.mark.parametrize("reduction", [1, 3, 10])
def test_the_mlp_narrows_by_the_reduction_to_at_least_one_channel(reduction):
    gate = ChannelGate(10, reduction)
    assert gate.mlp[0].out_features == gate.mlp[2].in_features == 10 // reduction
    assert gate(torch.randn(2, 10, 3, 5)).shape == (2, 10, 1, 1)


def test_the_defaults_are_the_papers():
    gate = CBAM(32).channel_gate
    assert (gate.mlp[0].out_features, gate.pools) == (2, ("avg", "max"))
    assert CBAM(32).spatial_gate is not None
    assert ChannelGate(32).mlp[0].out_features == 2


def test_the_spatial_gates_norm_moves_by_a_hundredth_of_each_batch():
    gate, seen = SpatialGate().train(), []
    gate.norm.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    gate(torch.randn(2, 5, 6, 7))
    torch.testing.assert_close(gate.norm.running_mean, 0.01 * seen[0].mean()[None])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    size=st.floats(-3, 3),
    pools=st.lists(st.sampled_from(sorted(POOLS)), min_size=1, unique=True),
)
def test_gates_lie_between_zero_and_one_and_never_amplify(seed, size, pools):
    torch.manual_seed(seed)
    layer = CBAM(7, 3, pools).eval()
    features = torch.randn(2, 7, 5, 3) * 10**size
    assert all(((gate >= 0) & (gate <= 1)).all() for gate in layer.gates(features))
    assert (layer(features).abs() <= features.abs()).all()


def test_the_pools_by_hand():
    features = torch.tensor([[[[3.0, 4.0], [0.0, -12.0]]]])
    found = {name: float(pool(features)) for name, pool in POOLS.items()}
    lse = torch.tensor([3.0, 4, 0, -12]).exp().sum().log().item()
    assert found == pytest.approx({"avg": -1.25, "max": 4.0, "lp": 13.0, "lse": lse})
    assert torch.isfinite(POOLS["lse"](torch.full((1, 1, 3, 3), 1e4)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"reduction": 11}, "reduction must be between 1 and the 10 channels, got 11"),
        ({"reduction": 0}, "got 0"),
        ({"pools": ("avg", "median")}, r"one or more of avg, max, lp, lse.*'median'"),
        ({"pools": ("avg", "avg")}, "each once"),
        ({"pools": ()}, r"got \[\]"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(arguments, words):
    with pytest.raises(ValueError, match=words):
        CBAM(10, **({"reduction": 5} | arguments))


@pytest.mark.parametrize("shape", [(2, 9, 3, 5), (10, 3, 5)])
def test_features_of_other_channels_are_refused_in_one_line(shape):
    with pytest.raises(ValueError, match=r"features must be \[B, 10, H, W\], got"):
        CBAM(10, 5)(torch.randn(shape))
