import numpy as np
import pandas as pd
import pytest

from whitepatch.figures.probes import distractors, occlusions, places, randomisation

TITLES = {"a": "A", "b": "B"}
SEEDS = [{"variant": variant, "seed": seed} for variant in TITLES for seed in (0, 1, 2)]


def dots(axes):
    """Return the values of all dots, without guide lines and legends."""
    return [
        line.get_xdata()
        for line in axes.lines
        if line.get_marker() == "o" and len(line.get_xdata())
    ]


def test_places_show_each_grid_where_it_belongs():
    grid = np.arange(9.0).reshape(3, 3) / 8
    figure = places(
        {
            "a": {"found": grid, "evidence": 1 - grid, "attention": grid},
            "b": {"found": grid, "evidence": grid},
        },
        TITLES,
        last=80,
    )
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 5
    np.testing.assert_array_equal(shown[0].images[0].get_array(), grid)
    # the first and last places lie in the middle of the outer squares
    assert shown[0].images[0].get_extent() == [-20, 100, 100, -20]
    assert "none" in [text.get_text() for axes in figure.axes for text in axes.texts]


def test_places_of_a_patch_that_cannot_move_are_drawn():
    grid = np.zeros((2, 2))
    figure = places({"a": {"found": grid, "evidence": grid}}, {"a": "A"}, last=0)
    assert figure.axes[0].images[0].get_extent() == [-0.5, 0.5, 0.5, -0.5]


def test_occlusions_show_every_seed():
    table = pd.DataFrame(
        [who | {"removed": i, "hidden": -i, "elsewhere": 0.5} for i, who in enumerate(SEEDS)]
    )
    removed, hidden, elsewhere = occlusions(table, TITLES).axes
    assert [values.tolist() for values in dots(removed)] == [[0, 1, 2], [3, 4, 5]]
    assert [values.tolist() for values in dots(hidden)] == [[0, -1, -2], [-3, -4, -5]]
    assert removed.get_title() == "patch taken away"
    assert len(dots(elsewhere)) == 2


def test_distractors_show_evidence_and_attention_where_there_is_some():
    table = pd.DataFrame(
        [
            who | {"planted": planted, "map": kind, "auc": 0.25}
            for who in SEEDS
            for planted in ("white", "black")
            for kind in ("evidence", "attention")
            if (who["variant"], kind) != ("a", "attention")
        ]
    )
    figure = distractors(table, TITLES, ["white", "black"])
    assert [axes.get_title() for axes in figure.axes] == ["white", "black"]
    assert sum(len(values) for values in dots(figure.axes[1])) == 3 * 3


def test_randomisation_starts_at_one_and_follows_the_means():
    table = pd.DataFrame(
        [
            who | {"map": "evidence", "step": step, "correlation": value}
            for who in SEEDS
            for step, value in (("head", 0.5 if who["seed"] else -0.5), ("conv 1", 0.125))
        ]
    )
    evidence, attention = randomisation(table, TITLES, ["head", "conv 1"]).axes
    line = next(line for line in evidence.lines if line.get_marker() == "o")
    assert line.get_ydata().tolist() == pytest.approx([1, 0.5, 0.125])
    assert [label.get_text() for label in evidence.get_xticklabels()] == [
        "nothing",
        "head",
        "conv 1",
    ]
    assert not [line for line in attention.lines if line.get_marker() == "o"]
