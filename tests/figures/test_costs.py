import pandas as pd
import pytest

from whitepatch.figures.costs import costs


def test_the_same_means_stand_against_epochs_and_against_what_they_cost():
    rows = [(seed, epoch, seed + 1 / epoch) for seed in (0, 1) for epoch in (1, 2)]
    history = pd.DataFrame(rows, columns=["seed", "epoch", "test_loss"])
    figure = costs(
        {"cnn": history, "cbam": history}, {"cnn": "CNN", "cbam": "CBAM"}, {"cnn": 0.5, "cbam": 2}
    )
    by_epoch, by_cost = figure.axes
    assert by_epoch.lines[1].get_xdata().tolist() == [1, 2]
    assert [line.get_xdata().tolist() for line in by_cost.lines] == [[0.5, 1], [2, 4]]
    for axes in (by_epoch, by_cost):
        assert axes.lines[0].get_ydata().tolist() == pytest.approx([1.5, 1.0])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CNN", "CBAM"]
