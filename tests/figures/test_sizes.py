import pandas as pd
import pytest

from whitepatch.figures import palette
from whitepatch.figures.sizes import sizes


def test_a_line_goes_through_the_means_of_seeds_and_controls_are_dashed():
    rows = [
        (variant, size, seed, 0.5 + 0.1 * seed + size / 100)
        for variant in ("cnn", "cnn_max")
        for size in (4, 16)
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["variant", "patch.size", "seed", "test_accuracy"])
    figure = sizes({"a": table, "b": table.iloc[:4]}, {"cnn": "CNN"})
    first, second = figure.axes
    chance, line, dots, control, _ = first.lines
    assert chance.get_ydata()[0] == 0.5
    assert line.get_xdata().tolist() == [4, 16]
    assert line.get_ydata().tolist() == pytest.approx([0.59, 0.71])
    assert sorted(dots.get_ydata()) == pytest.approx([0.54, 0.64, 0.66, 0.76])
    assert (line.get_linestyle(), control.get_linestyle()) == ("-", "--")
    assert line.get_color() == palette.colour("cnn")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CNN", "cnn_max"]
    assert len(second.lines) == 3


def test_without_a_sweep_it_says_so():
    (axes,) = sizes({}, {}).axes
    assert [text.get_text() for text in axes.texts] == ["no sweep over sizes has run"]
