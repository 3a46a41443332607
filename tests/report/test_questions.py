import numpy as np
import pytest
from helpers.networks import additive, constant, right, swept
from helpers.results import index

from whitepatch.claims.predictions import AVERAGING, SELECTING
from whitepatch.figures.strip import strip
from whitepatch.figures.tasks import tasks
from whitepatch.report.questions import Questions
from whitepatch.report.results import title

SIZES = [{"patch.size": 4.0, "train_loss": 0.1}, {"patch.size": 16.0, "train_loss": 0.31}]
SIX = dict.fromkeys(AVERAGING, constant) | dict.fromkeys(SELECTING, right(0.97))
TITLES = {name: title(name) for name in (*SIX, "cnn_hidden", "mha_linear_positions")}


@pytest.fixture
def sizes():
    return swept("size", SIX, SIZES)


def sentences(results, *sweeps):
    page = index(results, sweeps=sweeps, titles=TITLES)
    return page.markdown.partition("## What was predicted")[0]


def test_a_variant_is_called_as_its_own_file_says():
    assert title("cnn_max") == "CNN, maximum"
    assert title("gone") == "gone"


def test_without_sweeps_there_is_no_answer(results):
    page = index(results).markdown
    assert "**Must" not in page
    assert "predicted" not in page
    assert "## All experiments" in page


def test_what_holds_is_said_and_no_more(results, sizes):
    said = sentences(results, sizes)
    assert "whatever selects brings it back" in said
    assert "None with attention is better than a maximum" in said
    assert "Not told" not in said
    assert "**Must places" not in said
    blind = SIX | {"mha_uniform": right(0.7)}
    said = sentences(results, swept("size", blind, SIZES))
    assert "hides what is small" not in said
    assert "notice them: CNN, maximum; MHA linear, pixel tokens; MHA Conv1d; CBAM" in said
    weak = SIX | {"mha_linear_tokens": right(0.5)}
    said = sentences(results, swept("size", weak, SIZES))
    assert "selects brings" not in said
    assert "Not told from what averages: MHA linear, pixel tokens; of 5 seeds each, 5 (MHA" in said
    none = sentences(results, swept("size", dict.fromkeys(SIX, constant), SIZES))
    assert "More often" not in none
    better = SIX | {"cnn_max": right(0.8)}
    assert "better than a maximum" not in sentences(results, swept("size", better, SIZES))


def test_comparing_names_who_is_above_below_and_not_told(results):
    names = (*SELECTING, "cnn_hidden", "mha_uniform", "cbam_spatial")
    networks = dict.fromkeys(names, right(0.97)) | {"cnn": additive}
    networks |= {"cbam": constant, "cnn_max": right(0.75)}
    said = sentences(results, swept("compare", networks))
    above = said.partition("Above it are: ")[2].partition(".")[0]
    assert "MHA Conv1d" in above
    assert "maximum" not in above
    assert "Below it: CBAM" in said
    assert "Not told from it: CNN, maximum." in said
    assert "A hidden layer behind the mean compares without attention." in said


@pytest.mark.parametrize(("share", "words"), [(0.9, "attention is above it"), (0.5, "not found")])
def test_places_are_known_or_not(results, share, words):
    blind = dict.fromkeys(("cnn", "cnn_max", "cbam", "mha_linear_tokens"), constant)
    said = sentences(
        results, swept("arrange-noise", blind | {"mha_linear_positions": right(share)})
    )
    assert words in said
    assert "At chance: CNN;" in said


def test_every_number_of_the_page_is_of_a_sweep(results, sizes):
    page = index(results, sweeps=[sizes], titles=TITLES)
    files = {source.file for number in page.numbers for source in number.sources}
    assert {"sweeps/size.npz", "sweeps/size.csv"} <= files
    found = sizes.accuracy("cbam", levels={"patch.size": 4.0})
    assert f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]" in page.markdown
    assert f"CBAM, channel gate {found.value:.2f}." in page.markdown
    learned = page.markdown.partition("| seeds that learned |")[2]
    assert "| CNN, maximum | 5 | 0 |" in learned


def test_figure_two_has_a_panel_a_task_with_its_ceiling(sizes):
    names = ("cnn", "cnn_max")
    compared = swept("compare", {"cnn": additive, "cnn_max": right(0.97)})
    questions = Questions({"size": sizes, "compare": compared}, TITLES)
    first, second = tasks(questions.tasks(), TITLES).axes
    assert [it.get_text() for it in first.get_yticklabels()] == [TITLES[name] for name in SIX]
    assert len(first.lines) == 1 + 3 * len(SIX)
    assert len(second.lines) == 2 + 3 * len(names)
    assert second.lines[1].get_xdata()[0] == 0.75
    dots = second.lines[-1].get_xdata()
    assert np.sort(dots) == pytest.approx(np.sort(compared.right("cnn_max", {}).mean(axis=1)))


def test_pictures_say_what_was_asked(sizes):
    compared = swept("compare", {"cnn": additive})
    questions = Questions({"size": sizes, "compare": compared}, TITLES)
    asked = questions.pictures()
    clean, large, small, *pair = asked
    assert (clean, large, small) == ("no patch", "16×16 pixels", "4×4 pixels")
    assert pair == ["opposite colours", "one colour"]
    assert [it.get_title() for it in strip(asked).axes] == list(asked)
    assert Questions({}, {}).pictures() == {}


def test_figure_two_says_when_nothing_was_asked():
    (axes,) = tasks([], {}).axes
    assert axes.texts[0].get_text() == "no task has been asked"
