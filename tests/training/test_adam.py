import pytest
import torch

from whitepatch.models.classifier import build
from whitepatch.training.adam import Adam

RATES = (1e-3, 5e-2, 1e-5, 2e-3)


def test_the_numbers_are_those_of_torchs_own_class_bit_for_bit():
    ours, theirs = build("mha_conv1d", 3), build("mha_conv1d", 3)
    adam, reference = Adam(ours.parameters()), torch.optim.Adam(theirs.parameters(), lr=0.0)
    images = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(5))
    for rate in RATES:
        adam.clear()
        ours(images).square().sum().backward()
        adam.step(rate)
        reference.param_groups[0]["lr"] = rate
        reference.zero_grad()
        theirs(images).square().sum().backward()
        reference.step()
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(first, second)
    for name, key in (("averages", "exp_avg"), ("squares", "exp_avg_sq"), ("counts", "step")):
        for weight, tensor in zip(theirs.parameters(), getattr(adam, name), strict=True):
            assert torch.equal(tensor, reference.state[weight][key])
            assert tensor.stride() == reference.state[weight][key].stride()


def test_one_step_by_hand():
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    adam = Adam([weight])
    (weight * 4).sum().backward()
    adam.step(0.5)
    # the first step divides the gradient by its own size
    assert weight.item() == pytest.approx(2.5)
    assert adam.averages[0].item() == pytest.approx(0.4)
    assert adam.squares[0].item() == pytest.approx(0.016)


def test_a_parameter_without_a_gradient_stays():
    used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    adam = Adam([unused, used])
    used.sum().backward()
    adam.step(0.1)
    assert unused.tolist() == [1, 1]
    assert used.tolist() == pytest.approx([0.9, 0.9])
    assert [count.item() for count in adam.counts] == [0, 1]


def test_a_restored_state_steps_on_the_same():
    first, second = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    adam, other = Adam([first]), Adam([second])
    first.sum().backward()
    adam.step(0.1)
    second.data.copy_(first.data)
    other.restore({name: tensor.clone() for name, tensor in adam.state().items()})
    second.grad = first.grad = torch.tensor([2.0, -1.0])
    adam.step(0.1)
    other.step(0.1)
    assert torch.equal(first, second)
    with pytest.raises(KeyError):
        other.restore({})
