import math

import pytest
import torch

from whitepatch.models.layers.positions import sinusoidal_positions


@pytest.mark.parametrize("channels", [4, 12])
def test_every_number_by_its_formula(channels):
    code = sinusoidal_positions(channels, 5, 7)
    number = channels // 4
    for k in range(number):
        rate = 10000 ** (-k / number)
        for row in range(5):
            for column in range(7):
                expected = [
                    math.sin(row * rate),
                    math.cos(row * rate),
                    math.sin(column * rate),
                    math.cos(column * rate),
                ]
                found = [float(code[block * number + k, row, column]) for block in range(4)]
                assert found == pytest.approx(expected, abs=1e-6)


def test_every_cell_has_a_code_of_its_own():
    code = sinusoidal_positions(32, 24, 24).flatten(1).T
    apart = torch.cdist(code, code) + torch.eye(576) * 9
    assert apart.min() > 0.1
    assert code.abs().max() <= 1


@pytest.mark.parametrize("channels", [0, 2, 30])
def test_channels_that_do_not_divide_are_refused(channels):
    with pytest.raises(ValueError, match=f"divisible by 4, got {channels}"):
        sinusoidal_positions(channels, 3, 3)
