"""No number on a page without its origin, and no origin that is wrong."""

import gc
import math
import re
from collections import defaultdict
from dataclasses import replace

import pytest
from helpers.results import histories_of, index, losses_of, report, results_of
from jinja2 import FileSystemLoader

from whitepatch.claims.article import HYPOTHESES, PRINTED, Quantity
from whitepatch.claims.statistics import Interval
from whitepatch.report import page
from whitepatch.report.numbers import Number, Source
from whitepatch.report.verdicts import judge, origins

ARXIV = ("1512.04150", "1610.02391", "2011.08891", "1703.01365", "1908.04211", "2004.05916")
ALLOWED = ("STL-10", "95 %", "|2 AUC − 1|", "24×24", "4×4", "MD5", "Conv1d", *ARXIV, ".1f", "%d")
"""What templates may say in digits."""

MAY_STAY = (
    "p of the",
    "ratio",
    "highest",
    "seeds b",
    "chosen",
    "count of",
    "numbers",
)
"""Forms that count or choose, so that one input of many may change and leave them as they are."""

MARKUP = r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|[Cc]laim \d"


def test_forms_by_hand():
    here = Source("a", "b")
    assert Number.spread([1.0, 3.0], 1, here).text == "2.0 ± 1.4"
    assert Number.spread([0.12345], 3, here).text == "0.123"
    assert Number.fixed(0.12345, 3, here).text == "0.123"
    assert Number.fixed(0.12345, 3, here, signed=True).text == "+0.123"
    assert Number.fixed(-0.0004, 3, here).text == "0.000"
    assert Number.spread([-0.003, -0.001], 2, here).text == "0.00 ± 0.00"
    assert Number.fixed(float("nan"), 3, here).text == "–"
    assert Number.count(12345, here).text == "12,345"
    assert Number.percent(0.125, here).text == "12 %"
    assert Number.signed(-0.01234, 2, here).text == "-0.012"
    one = Interval(0.5, float("nan"), float("nan"), 1)
    assert Number.ranged(one, 1, here).text == "0.5"
    several = Interval(0.5, -0.25, 1.0, 4)
    assert Number.ranged(several, 2, here).text == "0.50 [-0.25, 1.00]"


@pytest.mark.parametrize(
    ("value", "other", "words"),
    [
        (0.04, 1.0, "hardly anything beside"),
        (0.3, 3.0, "about a tenth of"),
        (0.4, 2.0, "about a fifth of"),
        (1.0, 4.0, "about a quarter of"),
        (1.0, 3.0, "about a third of"),
        (0.4, 1.0, "about a third of"),
        (0.43, 1.0, "about half of"),
        (0.5, 1.0, "about half of"),
        (2.0, 3.0, "about two thirds of"),
        (0.75, 1.0, "about three quarters of"),
        (0.9, 1.0, "a little below"),
        (1.04, 1.0, "about the same as"),
        (1.1, 1.0, "a little above"),
        (1.4, 1.0, "1.4 times"),
        (6.0, 0.5, "12.0 times"),
        (0.0, 0.0, "zero, like"),
        (0.1, 0.0, "above zero, unlike"),
        (0.0, 0.1, "zero, unlike"),
    ],
)
def test_how_two_numbers_compare_in_words(value, other, words):
    assert Number.times(value, other, Source("a", "b")).text == words


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Return a function that renders a template of its own."""
    monkeypatch.setattr(page._environment(), "loader", FileSystemLoader(tmp_path))

    def render(text, **content):
        (tmp_path / "a.md").write_text(text, encoding="utf-8")
        (tmp_path / "page.html").write_text("{{ body }}", encoding="utf-8")
        return page.render("a", {"name": "a", **content}, lambda _: b"PNG")

    return render


def test_a_number_is_plain_in_markdown_and_has_its_origin_in_html(template):
    one, two = (Number.count(n, Source('<"m">.json', f"k.{n}")) for n in (1, 2))
    made = template(
        "# H\n{% set later %}{{ two }}{% endset %}\na {{ one }} b {{ later }}", one=one, two=two
    )
    assert made.markdown == "# H\na 1 b 2\n"
    assert '<span title="&lt;&quot;m&quot;&gt;.json: k.1">1</span>' in made.html
    assert made.numbers == [one, two], "in the order in which they are read"


@pytest.mark.parametrize("bare", ["{{ 5 }}", "{{ x }}", "{{ row('a', x) }}"])
def test_a_number_without_an_origin_is_refused(template, bare):
    with pytest.raises((TypeError, AttributeError)):
        template(bare, x=0.5)


def test_a_table_refuses_a_row_that_does_not_fit_its_head(template):
    fits = "{{ head('a', 'b') }}\n{{ row('c', 'd') }}\n"
    assert '<th scope="row">c</th>' in template(fits).html
    for row in ("{{ row('c') }}", "{{ row('c', ['d', 'e']) }}", "| c |"):
        with pytest.raises(ValueError, match="as many cells as its head"):
            template(fits + row)


def test_a_new_score_has_a_column_of_its_own(everything, monkeypatch):
    results = results_of(everything, ("aa", "b"))
    for metrics in results.metrics.values():
        for seed in metrics["seeds"].values():
            for scores in (*seed["maps"].values(), *seed["controls"]["maps"].values()):
                scores["newest"] = 0.125
    scores = {"auc": "pixel AUC", "newest": "newest"}
    monkeypatch.setattr("whitepatch.report.content.SCORES", scores)
    text = report(results).markdown
    assert "| map | pixel AUC | newest | pixel AUC, untrained |" in text
    assert "| chance (uniform map) | 0.50 ± 0.00 | 0.12 ± 0.00 | – |" in text


def test_words_are_escaped_and_links_lead_to_pages(template):
    html = template("# A, b!\n\n<b>&</b> [c](d/e.md) [f](#a-b) ![g](h.png)\n\n> i\n> j\n").html
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in html
    assert 'href="d/e.html"' in html
    assert '<h1 id="a-b">' in html
    assert 'src="data:image/png;base64,UE5H"' in html
    assert "<blockquote>\n<p>i j</p>" in html


def test_templates_have_hardly_a_digit(root):
    for path in (root / "src/whitepatch/report/templates").glob("*.md"):
        text = re.sub(MARKUP, "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for words in ALLOWED:
            text = text.replace(words, "")
        assert not re.findall(r".*\d.*", text), path.name
        assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120


def test_every_number_of_a_claim_has_an_origin(inputs):
    results, histories = inputs
    by_seed = judge(results, histories, losses_of(results)).by_seed
    for quantity in (one.quantity for it in HYPOTHESES for one in it.statements):
        files = {it.file.partition("/")[0] for it in origins(quantity, "demo")}
        assert files == {
            "loss": {"maps", "data"},
            "rises": {"history"},
            "excess": {"history"},
        }.get(quantity.measure, {"metrics"})
        assert (quantity.measure in by_seed) == ("maps" not in files)
    found = origins(Quantity("rises", "cnn", "cbam"), "demo")
    assert [(it.file, it.key) for it in found] == [
        ("history/cnn.csv", "test_loss"),
        ("history/cbam.csv", "test_loss"),
    ]
    found = origins(Quantity("output", "cbam", less="untrained"), "demo")
    assert [it.key for it in found] == [
        "seeds.*.maps.output *.auc",
        "seeds.*.untrained_maps.output *.auc",
    ]


@pytest.fixture(scope="module")
def inputs(everything):
    """Everything that the printed numbers of a page come from."""
    results = results_of(everything, PRINTED, num_seeds=6)
    results.published["mha_linear"] = {"min_train_loss": 0.25, "min_test_loss": 0.25}
    results.published["cnn"] = {"min_train_loss": 0.25, "min_test_loss": 0.5}
    experiment = results.experiment.model_copy(update={"source": "stl10"})
    return replace(results, experiment=experiment), histories_of(results)


def printed(results, histories, losses=None):
    """Return what the pages print, by origin and form."""
    found = defaultdict(list)
    for number in report(results, histories, losses).numbers + index(results).numbers:
        found[number.sources, number.form].append(number.text)
    return found


def leaves(branch, *path):
    if isinstance(branch, dict):
        for name, value in branch.items():
            yield from leaves(value, *path, name)
    elif isinstance(branch, int | float) and not isinstance(branch, bool):
        yield path


def changed(branch, path):
    """Change a number; return what undoes it."""
    for name in path[:-1]:
        branch = branch[name]
    before = branch[path[-1]]
    branch[path[-1]] = before * 2 + 3 if isinstance(before, float) else before + 7
    return lambda: branch.__setitem__(path[-1], before)


def test_a_number_that_changes_changes_exactly_what_names_it(inputs, monkeypatch):
    # as true, and faster
    monkeypatch.setattr("whitepatch.claims.statistics.RESAMPLES", 99)
    monkeypatch.setattr("whitepatch.claims.crossed.RESAMPLES", 999)
    monkeypatch.setattr("whitepatch.report.page._html", lambda *_: "")
    gc.freeze()  # statsmodels collects garbage with every correction
    results, histories = inputs
    before = printed(results, histories)
    kinds = {}  # one path of each kind: of the later variants and seeds, one is like the other
    for path in leaves(results.metrics["mha_linear"]):
        if "distractor" in path and path[-1] in ("ap", "pointing", "mass", "rank"):
            continue  # on no page; auc stands for them
        kinds[re.sub(r"^seeds\.\d", "seeds.*", ".".join(path))] = ("mha_linear", *path)
    paths = [path for path in kinds.values() if "controls" not in path and path[-1] != "num_scored"]
    for path in leaves(results.metrics["cnn"]):  # what all variants have alike, read from the first
        alike = path[0] in ("num_test_images", "trained_on") or path[:2] == ("seeds", "1")
        if alike and (path[0] != "seeds" or path[2] in ("controls", "num_scored")):
            paths.append(("cnn", *path))
    assert len(paths) > 60
    # rows and columns of a square: any two are apart in one of them
    side = math.isqrt(len(paths)) + 1
    batches = [paths[i::side] for i in range(side)]
    batches += [paths[i : i + side] for i in range(0, len(paths), side)]
    moved = set()
    for batch in batches:
        undo = [changed(results.metrics, path) for path in batch]
        named = [(f"metrics/{variant}.json", ".".join(path)) for variant, *path in batch]
        moved |= check(before, results, histories, named)
        [it() for it in undo]
    for path in leaves(results.published):
        undo = changed(results.published, path)
        moved |= check(before, results, histories, [("data/published.csv", ".".join(path))])
        undo()
    intact = histories["mha_linear"]
    for column, value in (("test_loss", 9.0), ("validation_loss", -1.0)):
        histories["mha_linear"] = intact.copy()
        histories["mha_linear"].loc[3, column] = value
        moved |= check(before, results, histories, [("history/mha_linear.csv", column)])
    histories["mha_linear"] = intact
    other = losses_of(results, mha_linear=-4.0)
    moved |= check(before, results, histories, [("maps/mha_linear.npz", "logits")], other)
    # nothing names an input in vain
    ours = ("*", "mha_linear.json", "mha_linear.csv", "mha_linear.npz", "published.csv")
    named = {source for sources, _ in before for source in sources if source.file.endswith(ours)}
    assert named <= moved
    gc.unfreeze()


def check(before, results, histories, inputs, losses=None):
    """What does not name an input must stay, what names one must move; return who moved."""
    after = printed(results, histories, losses)
    found = set()
    for origin in before.keys() | after.keys():
        sources, form = origin
        named = {
            it
            for it in sources
            for file, key in inputs
            if it.covers(file, key) or it.covers(f"demo/{file}", key)
        }
        if before.get(origin) != after.get(origin):
            assert named, f"one of {inputs} changes what {sources} print"
            found |= named
        elif any("*" not in it.file for it in named):
            assert form.startswith(MAY_STAY), f"{inputs} do not move the {form} of {sources}"
    return found
