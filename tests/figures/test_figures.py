from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from whitepatch.claims.crossed import Crossed
from whitepatch.figures import palette, style
from whitepatch.figures.errors import errors, errors_by_experiment
from whitepatch.figures.hardest import Hard, hardest
from whitepatch.figures.panels import Panel, attention_panel, draw_map, prediction_panel


def test_the_outline_lies_on_the_patch_and_only_where_there_is_one():
    axes = style.new(2, 2).subplots()
    style.outline(axes, -1, -1, 16)
    assert not axes.patches
    style.outline(axes, 5, 7, 16)
    (box,) = axes.patches
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (7, 5, 16, 16)


def test_a_map_is_drawn_over_the_pictures_own_pixels():
    axes = style.new(2, 2).subplots()
    style.picture(axes, np.zeros((24, 24)))
    assert axes.images[0].get_extent() == [0, 96, 96, 0]


def test_the_panel_shows_pictures_as_they_were(everything):
    experiment = everything.experiment("demo")
    pictures = np.full((1, 3, 96, 96), (51 - 128) / 128)
    pictures[0, :, :16, :16] = experiment.patch.value
    saved = {
        "pictures": pictures[None],
        "tops": np.array([[0]]),
        "lefts": np.array([[0]]),
        "scored": np.array([0]),
    }
    panel = Panel.of(saved, experiment, 0)
    assert panel.pictures[0, 0, 50, 50] == pytest.approx(51 / 255)
    assert panel.pictures[0, 0, 3, 3] == pytest.approx(1.0)


def test_the_attention_panel_has_a_column_for_each_map_but_single_heads(everything):
    saved = {
        "pictures": np.zeros((1, 2, 3, 96, 96)),
        "tops": np.array([[3, -1]]),
        "lefts": np.array([[5, -1]]),
        "scored": np.array([0, 1]),
        "map/evidence": np.zeros((1, 2, 24, 24)),
        "map/attention mean": np.ones((1, 2, 24, 24)),
    }
    names = ["evidence", "attention head 1", "attention mean"]
    columns = [("a", name, name) for name in names]
    panel = Panel.of(saved, everything.experiment("demo"), 0)
    figure = attention_panel(panel, {"a": saved}, columns, {"a": "A"}, place=0, rows=[0, 1])
    assert len(figure.axes) == 2 * 3
    outlined = [axes for axes in figure.axes if axes.patches]
    assert len(outlined) == 3, "the first row, and only it, has a patch"


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("sign", ["x", "猫", "😀", "Ǆ", "W", "a.", "a  b ", "שׁ"])
@pytest.mark.parametrize("times", [20, 62, 255])
def test_a_name_takes_no_width_from_the_maps(sign, times):
    maps = dict.fromkeys(["evidence", "attention mean"], np.zeros((1, 24, 24)))
    name = f"begun{sign * times}"[: times - 7] + "end.png"
    figure = prediction_panel(np.zeros((1, 3, 96, 96)), maps, [f"{name}\n0.484"], "T")
    style._settle(figure)
    inches = figure.get_figwidth()
    assert min(axes.get_position().width * inches * 120 for axes in figure.axes) > 100
    label = figure.axes[0].get_ylabel()
    assert label.startswith("begun")
    assert label.replace("\n", "").endswith("end.png0.484")


def test_places_keep_no_digits_that_vary_between_runs(tmp_path):
    figure = style.new(7, 5)
    figure.subplots(3, 7)[1, 2].set_title("a title")
    style.save(figure, tmp_path / "a.png")
    places = [axes.get_position(original=True).bounds for axes in figure.axes]
    assert len({round(x, 3) for x, *_ in places}) == 7
    for place in places:
        assert place == pytest.approx([round(x, 6) for x in place], abs=1e-15)
    first = (tmp_path / "a.png").read_bytes()
    style.save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == first


def test_no_place_is_minus_zero():
    """A PDF would say 0 or -0, as the solver of the layout happens to end."""
    figure = style.new(2, 2)
    parts = figure.subfigures(1, 2)
    axes = parts[0].subplots()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    parts[0].bbox_relative.set_points(np.array([[-1e-17, -1e-12], [0.5, 1]]))
    axes.set_position([-1e-17, -1e-9, 1, 1])
    figure.set_layout_engine(Settled())
    style._settle(figure)
    for place in (axes.get_position(original=True).bounds, parts[0].bbox_relative.get_points()):
        assert not np.signbit(place).any()


class Settled(ConstrainedLayoutEngine):
    """Leaves everything where it is."""

    def execute(self, fig):
        pass


def test_errors_show_every_seed_and_the_interval():
    table = pd.DataFrame(
        {
            "variant": ["a"] * 3 + ["b"] * 3,
            "loss": [0.1, 0.2, 0.3, 0.01, 0.02, 0.03],
            "accuracy": [0.9] * 6,
        }
    )
    found = {
        name: Crossed(0.2, np.linspace(centre - 0.1, centre + 0.1, 9999), 3, 7)
        for name, centre in (("a", 0.2), ("b", 0.5))
    }
    left, right = errors(table, {"a": "A", "b": "B"}, {"loss": found, "accuracy": found}).axes
    drawn = [list(line.get_xdata()) for line in left.lines]
    assert drawn[0] == pytest.approx([0.1, 0.2, 0.3])
    assert drawn[1] == pytest.approx([0.2, 0.2])
    intervals = [list(line.get_xdata()) for line in left.lines if line.get_marker() == "|"]
    assert intervals == [pytest.approx(it, abs=1e-3) for it in ([0.105, 0.295], [0.405, 0.595])]
    assert [axes.get_xlabel().split(":")[0] for axes in (left, right)] == [
        "test loss (nats)",
        "test accuracy",
    ]
    marks = [it.get_text() for it in left.figure.legends[0].get_texts()]
    assert marks == ["a seed", "mean", "95 % interval"]


def test_the_articles_numbers_are_marked_beside_smallest_losses():
    table = pd.DataFrame({"variant": ["cnn", "cbam"], "min_test_loss": [0.5, 0.25]})
    titles = {"cnn": "CNN", "cbam": "CBAM"}
    figure = errors_by_experiment({"x": table}, titles, {"x": ""}, {"x": {"cbam": 0.05}})
    (diamond,) = (line for line in figure.axes[0].lines if line.get_marker() == "D")
    assert (*diamond.get_xdata(), *diamond.get_ydata()) == (0.05, 1)
    assert figure.legends[0].get_texts()[-1].get_text() == "the article's number"


def test_the_same_figure_is_the_same_file(tmp_path):
    def draw(path):
        figure = style.new(3, 2)
        figure.subplots().plot([1, 2], label="a")
        style.save(figure, path)
        return path.read_bytes()

    def vector(path):
        figure = style.new(3, 2)
        figure.subplots().plot([1, 2], label="a")
        style.save_vector(figure, path)
        return path.read_bytes()

    assert vector(tmp_path / "a.pdf") == vector(tmp_path / "b.pdf")
    assert b"CreationDate" not in (tmp_path / "a.pdf").read_bytes()
    content = draw(tmp_path / "a.png")
    assert draw(tmp_path / "b.png") == content
    assert not {"Software", "Creation Time"} & set(Image.open(BytesIO(content)).text)


def test_few_colours_leave_those_of_variants_patch_and_paper_as_they_are(tmp_path):
    figure = style.new(4, 3)
    axes = figure.subplots()
    axes.imshow(np.random.default_rng(0).random((60, 60)), cmap="inferno", extent=(0, 1, 0, 1))
    for place, colour in enumerate((*palette.ALL, style.PATCH)):
        axes.axhspan(2 + place, 2.9 + place, color=colour)
    axes.set(ylim=(0, 18), aspect="auto")
    style.save(figure, tmp_path / "a.png", photographs=False)
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.mode == "P"
        found = {f"#{r:02x}{g:02x}{b:02x}" for _, (r, g, b) in saved.convert("RGB").getcolors(256)}
    assert {*palette.ALL, style.PATCH, "#ffffff"} <= found


def test_the_hardest_are_shown_in_order_with_their_patch_and_share(everything):
    black = np.zeros((3, 96, 96), np.uint8)
    hard = [
        Hard(black, (5, 7), "sky", 21, 1.5, 0.75),
        Hard(black, (-1, -1), "sea", 20, 0.5, 0.25),
        Hard(None, (-1, -1), "sea", 22, 0.0, 0.0),
    ]
    figure = hardest(hard, everything.experiment("demo"))
    *shown, hidden = figure.axes[:3]
    assert not hidden.images
    assert [it.get_text() for it in hidden.texts] == ["not shown"]
    assert [axes.get_title() for axes in shown] == ["sky, row 21", "sea, row 20"]
    assert shown[0].get_xlabel() == "1.50 nats, 75.0 %\npatch"
    assert shown[0].images[0].get_array()[5:21, 7:23].min() == 1, "as the network saw it"
    assert [len(axes.patches) for axes in shown] == [1, 0]


def test_an_experiment_without_a_variant_leaves_its_row_empty():
    both = pd.DataFrame({"variant": ["cnn", "cbam"], "min_test_loss": [0.5, 0.25]})
    tables = {"demo": both, "photos": both[both["variant"] == "cbam"]}
    titles = {"cnn": "CNN", "cbam": "CBAM"}
    figure = errors_by_experiment(tables, titles, dict.fromkeys(tables, ""), {})
    cnn, cbam = (palette.colour("cnn"), 0), (palette.colour("cbam"), 1)
    for axes, rows in zip(figure.axes, ([cnn, cbam], [cbam]), strict=True):
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert [(line.get_color(), *line.get_ydata()) for line in dots] == rows


def test_a_second_lit_cell_of_an_attention_map_can_be_seen():
    values = np.zeros((24, 24))
    values[3, 4], values[20, 7] = 1, 0.1
    axes, linear = style.new(2, 2).subplots(1, 2)
    draw_map(axes, values, signed=False)
    draw_map(linear, values, signed=False, power=1)
    shown = [it.images[0].norm(values) for it in (axes, linear)]
    assert shown[0][20, 7] == pytest.approx(0.1**0.5)
    assert shown[1][20, 7] == pytest.approx(0.1)
    assert shown[0].min() == 0
    assert shown[0].max() == 1
