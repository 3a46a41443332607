"""No number on a page without its origin, and no origin that is wrong."""

import gc
import re
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.results import results_of

from whitepatch.claims.statistics import Interval
from whitepatch.report import overview, page
from whitepatch.report.content import content
from whitepatch.report.drawing import FIGURES
from whitepatch.report.numbers import Number, Source
from whitepatch.report.verdicts import judge

PRINTED = ("cnn", "mha_linear", "mha_conv1d", "cbam")
INPUTS = page.Table(["file", "made by", "MD5"], [["a.csv", "split@demo", "0cc1"]])
FIGURE = {name: page.Figure("a.png", b"PNG", name, "x") for name in (*FIGURES, "contact_sheet")}

ALLOWED = ("STL-10", "base64", "95 %", "|2 AUC − 1|", "24×24", "MD5")
"""What templates may say in digits."""

MAY_STAY = ("p of the sign flips", "p, adjusted", "probability", "seeds below", "chosen")
"""Forms that count, so one input of many may change and leave them as they are; and so may whatever
chooses among variants, which names them all by a star."""

MARKUP = r"<style>.*</style>|tabindex=.\d|\{\{.*?\}\}|\{%.*?%\}|</?h\d>|<meta .*?>|[Cc]laim \d"


def test_forms_by_hand():
    here = Source("a", "b")
    assert Number.spread([1.0, 3.0], 1, here).text == "2.0 ± 1.4"
    assert Number.spread([0.12345], 3, here).text == "0.123"
    assert Number.fixed(0.12345, 3, here).text == "0.123"
    assert Number.fixed(float("nan"), 3, here).text == "–"
    assert Number.count(12345, here).text == "12,345"
    assert Number.plain(0.005, here).text == "0.005"
    assert Number.signed(-0.01234, 2, here).text == "-0.012"
    one = Interval(0.5, float("nan"), float("nan"), 1, float("nan"))
    assert Number.ranged(one, 1, here).text == "+0.5"
    assert Number.ranged(Interval(0.5, -0.25, 1.0, 4, 0.1), 2, here).text == "+0.50 [-0.25, +1.00]"


def test_a_bare_number_is_refused(results):
    filled = overview.content([results], {}, {"errors": FIGURE["errors"]})
    with pytest.raises(TypeError, match="a page prints 5 past the filter"):
        page.render("index.html", filled | {"baseline": 5, "differences": filled["losses"]})


def test_templates_have_hardly_a_digit(root):
    for path in (root / "src/whitepatch/report/templates").iterdir():
        text = path.read_text(encoding="utf-8")
        text = re.sub(MARKUP, "", text, flags=re.DOTALL)
        for words in ALLOWED:
            text = text.replace(words, "")
        assert not re.findall(r".*\d.*", text), path.name


@pytest.fixture(scope="module")
def inputs(everything):
    """Everything that the printed numbers of a page come from."""
    results = results_of(everything, PRINTED, num_seeds=6)
    experiment = results.experiment.model_copy(update={"source": "stl10"})
    results = replace(results, experiment=experiment)
    generator = np.random.default_rng(5)
    histories = {
        variant: pd.DataFrame(
            {
                "seed": np.repeat(np.arange(6), 4),
                "epoch": [1, 2, 3, 4] * 6,
                "test_loss": generator.random(24),
                "validation_loss": generator.random(24),
            }
        )
        for variant in PRINTED
    }
    return results, histories


def printed(results, histories):
    """Return what the page prints, by origin and form."""
    ledger = []
    page.render(
        "report.html",
        content(results, histories, judge(results, histories), FIGURE, INPUTS),
        ledger,
    )
    page.render("index.html", overview.content([results], {}, FIGURE), ledger)
    found = defaultdict(list)
    for number in ledger:
        found[number.sources, number.form].append(number.text)
    return found


def leaves(branch, *path):
    if isinstance(branch, dict):
        for name, value in branch.items():
            yield from leaves(value, *path, name)
    elif isinstance(branch, int | float) and not isinstance(branch, bool):
        yield path


def changed(branch, path):
    """Change a number, and undo it after the block."""
    for name in path[:-1]:
        branch = branch[name]
    before = branch[path[-1]]
    branch[path[-1]] = before * 2 + 3 if isinstance(before, float) else before + 7
    return lambda: branch.__setitem__(path[-1], before)


def test_a_number_that_changes_changes_exactly_what_names_it(inputs, monkeypatch):
    # as true, and faster
    monkeypatch.setattr("whitepatch.claims.statistics.RESAMPLES", 99)
    monkeypatch.setattr(
        "whitepatch.claims.statistics._detectable", lambda seeds, _: float(seeds.std())
    )
    gc.freeze()  # statsmodels collects garbage with every correction
    results, histories = inputs
    before = printed(results, histories)
    kinds = {}  # one path of each kind: of the later variants and seeds, one is like the other
    for path in leaves(results.metrics["mha_linear"]):
        if "distractor" in path and path[-1] in ("ap", "pointing", "mass", "rank"):
            continue  # on no page; auc stands for them
        kinds[re.sub(r"^seeds\.\d", "seeds.*", ".".join(path))] = path
    paths = [("mha_linear", *path) for path in kinds.values()]
    first = ("controls", "num_test_images", "num_scored_images", "trained_on")
    paths += [("cnn", *path) for path in leaves(results.metrics["cnn"]) if path[0] in first]
    assert len(paths) > 60
    moved = set()
    for variant, *path in paths:
        undo = changed(results.metrics[variant], path)
        moved |= check(before, results, histories, f"metrics/{variant}.json", ".".join(path))
        undo()
    for variant, measures in results.published.items():
        for measure in measures:
            undo = changed(measures, [measure])
            moved |= check(before, results, histories, "data/published.csv", f"{variant}.{measure}")
            undo()
    intact = histories["mha_linear"]
    for column, value in (("test_loss", 9.0), ("validation_loss", -1.0)):
        histories["mha_linear"] = intact.copy()
        histories["mha_linear"].loc[3, column] = value
        moved |= check(before, results, histories, "history/mha_linear.csv", column)
    # nothing names an input in vain
    ours = ("*", "mha_linear.json", "mha_linear.csv", "published.csv")
    for sources, _ in before:
        for source in sources:
            if source.file.endswith(ours):
                assert source in moved, source
    gc.unfreeze()


def check(before, results, histories, file, key):
    """What does not name the input must stay, what names it must move; return who moved."""
    after = printed(results, histories)
    found = set()
    for origin in before.keys() | after.keys():
        sources, form = origin
        named = {it for it in sources if it.covers(file, key) or it.covers(f"demo/{file}", key)}
        if before.get(origin) != after.get(origin):
            assert named, f"{file}: {key} changes what {sources} print"
            found |= named
        elif any("*" not in it.file for it in named):
            assert form.startswith(MAY_STAY), f"{file}: {key} does not move the {form} of {sources}"
    return found
