"""Figures of what emerges, of clean pictures, of gates and chosen queries."""

import numpy as np
import pandas as pd
import pytest

from whitepatch.figures.clean import channel_gates, clean_maps
from whitepatch.figures.emergence import emergence
from whitepatch.figures.panels import Panel, attention_panel

TITLES = {"a": "A", "b": "B"}


@pytest.fixture
def panel():
    pictures = np.full((2, 3, 96, 96), 0.5)
    return Panel(pictures, np.array([-1, 70]), np.array([-1, 8]), 16, np.arange(2))


def shown(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_emergence_draws_the_patched_picture_after_each_epoch(panel):
    maps = {
        "a": {"evidence": np.random.default_rng(0).normal(size=(4, 2, 24, 24))},
        "b": {
            name: np.ones((4, 2, 24, 24)) * np.arange(4)[:, None, None, None]
            for name in ("evidence", "attention")
        },
    }
    table = pd.DataFrame(
        [("a", "evidence", i, 0.1 * i) for i in range(4)]
        + [("b", kind, i, 0.9) for i in range(4) for kind in ("evidence", "attention")],
        columns=["variant", "map", "epoch", "auc"],
    )
    figure = emergence(table, maps, panel, TITLES)
    assert [len(part.axes) for part in figure.subfigs] == [2, 2 * (1 + 4 + 1 + 4)]
    drawn = shown(figure)
    assert len(drawn) == 4 + 4 + 4, "b alone has attention"
    np.testing.assert_array_equal(drawn[2], maps["a"]["evidence"][2, 1])
    np.testing.assert_array_equal(drawn[-1], maps["b"]["attention"][3, 1])
    curve = figure.subfigs[0].axes[0].lines[1]
    assert curve.get_ydata() == pytest.approx([0, 0.1, 0.2, 0.3])


def test_of_many_epochs_few_are_drawn_the_last_among_them(panel):
    maps = {"a": {"evidence": np.arange(51.0)[:, None, None, None] * np.ones((1, 2, 24, 24))}}
    table = pd.DataFrame({"variant": "a", "map": "evidence", "epoch": range(51), "auc": 0.5})
    drawn = [int(values[0, 0]) for values in shown(emergence(table, maps, panel, {"a": "A"}))]
    assert drawn[:2] == [0, 1]
    assert drawn[-1] == 50
    assert len(drawn) == 6


def test_clean_maps_say_where_a_variant_has_none():
    maps = {"a": {"evidence": np.eye(24)}, "b": {"evidence": np.eye(24), "attention": np.eye(24)}}
    figure = clean_maps(maps, TITLES)
    assert len(shown(figure)) == 3
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["none"]


def test_channels_are_ordered_by_what_a_patch_does_to_them():
    gates = np.array([[0.9, 0.1, 0.5], [0.7, 0.3, 0.5], [0.2, 0.8, 0.4]])
    figure = channel_gates({"b": gates}, np.array([True, True, False]), TITLES)
    patched, clean, *_ = figure.axes[0].lines
    assert patched.get_ydata() == pytest.approx([0.2, 0.5, 0.8])
    assert clean.get_ydata() == pytest.approx([0.8, 0.4, 0.2])


def test_the_far_query_is_marked_where_it_is(panel):
    saved = {"a": {"map/from afar": np.zeros((1, 2, 24, 24))}}
    columns = [("a", "from afar", "A: from afar")]
    figure = attention_panel(panel, saved, columns, TITLES, place=0, rows=[1])
    (cross,) = [line for axes in figure.axes for line in axes.lines]
    # the patch is low and left, so the cell is the one in the upper right corner
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (94, 2)
