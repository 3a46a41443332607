"""The controls against what they take apart, in float64."""

import pytest
import torch

from whitepatch.models.classifier import build
from whitepatch.models.layers.norm import ChannelNorm, StripNorm
from whitepatch.models.layers.readout import HiddenReadout, MaximumReadout
from whitepatch.models.layers.tokens import PixelTokens, StripTokens


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(7)
    return torch.randn(2, 32, 24, 24, generator=generator, dtype=torch.float64)


def layer(variant):
    return build(variant, 3).attention.double().eval()


def test_uniform_weights_are_those_of_queries_that_ask_for_nothing(features):
    """A softmax of equal scores is 1/N."""
    tokens, uniform = layer("mha_linear_tokens"), layer("mha_uniform")
    whole = tokens.attention
    torch.nn.init.zeros_(whole.heads.query.weight)
    uniform.value.load_state_dict(whole.heads.value.state_dict())
    uniform.output.load_state_dict(whole.output.state_dict())
    uniform.norm.load_state_dict(whole.norm.state_dict())
    torch.testing.assert_close(uniform(features), tokens(features), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("parent", "tokens", "norm"),
    [("mha_linear", StripTokens, StripNorm), ("mha_linear_tokens", PixelTokens, ChannelNorm)],
)
def test_tokens_and_a_norm_of_its_own_are_the_layer_that_has_both(parent, tokens, norm, features):
    whole = layer(parent)
    torch.nn.init.normal_(whole.attention.norm.weight)
    torch.nn.init.normal_(whole.attention.norm.bias)
    expected = whole(features)
    taken, whole.attention.norm = whole.attention.norm, torch.nn.Identity()
    apart = norm(tokens(whole.attention), 32, eps=1e-6).double()
    apart.norm.load_state_dict(taken.state_dict())
    torch.testing.assert_close(apart(features), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", ["mha_linear_norm", "mha_tokens_strip_norm"])
def test_each_half_mends_another_thing(variant, features):
    mended = layer(variant)
    assert type(mended) is (ChannelNorm if variant == "mha_linear_norm" else StripNorm)
    assert type(mended.layer) is (StripTokens if variant == "mha_linear_norm" else PixelTokens)
    mixed = mended.layer(features)
    if variant == "mha_linear_norm":
        groups, found = mixed.movedim(1, 3), mended(features).movedim(1, 3)
    else:
        groups, found = (x.reshape(2, 32 * 18, 32) for x in (mixed, mended(features)))
    mean, spread = groups.mean(-1, keepdim=True), groups.var(-1, correction=0, keepdim=True)
    torch.testing.assert_close(found, (groups - mean) / (spread + 1e-6).sqrt(), rtol=0, atol=1e-10)
    assert (mended.cell_weights(features) is None) == (variant == "mha_linear_norm")


def test_readouts_by_hand():
    features = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert MaximumReadout()(features).tolist() == [[3, 7]]
    hidden = HiddenReadout(2, hidden=1)
    values = {
        "0.weight": [[1.0, -1.0]],
        "0.bias": [5.0],
        "2.weight": [[2.0], [3.0]],
        "2.bias": [0.0, 1.0],
    }
    hidden.layers.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    assert hidden(features).tolist() == [[2.0, 4.0]], "means 1.5 and 5.5; relu(1.5 - 5.5 + 5) = 1"
