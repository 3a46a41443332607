"""What `dvc metrics show` and `dvc plots show` are given; test_pipeline.py asks DVC itself."""

import json
import re
from html.parser import HTMLParser

import pytest
from helpers.project import load

TEMPLATES = ("seeds", "variants")


@pytest.fixture
def stages(root):
    found = load(root / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage) for name, stage in found.items()}


@pytest.fixture
def page(root):
    """Return the page of `dvc plots show`, as DVC is told to find it."""
    (line,) = re.findall(r"html_template = (.*)", (root / ".dvc/config").read_text())
    return (root / ".dvc" / line).read_text(encoding="utf-8")


def drawn(stages):
    """Return the properties of all plots that name a template."""
    return [
        properties
        for stage in stages.values()
        for plot in stage.get("plots", [])
        for properties in plot.values()
        if "template" in properties
    ]


def test_the_short_summary_is_all_that_dvc_takes_for_metrics(root, stages):
    assert load(root / "dvc.yaml")["metrics"] == ["reports/summary"]
    assert [name for name, stage in stages.items() if "metrics" in stage] == []


def test_every_plot_is_labelled_and_its_template_exists(root, stages):
    plots = drawn(stages)
    assert {plot["template"] for plot in plots} == set(TEMPLATES)
    for plot in plots:
        assert "item.experiment" in plot["title"]
        assert (plot["x_label"], plot["y_label"]) == ("epoch", "loss (nats)")
        assert (root / ".dvc/plots" / f"{plot['template']}.json").exists()


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_use_what_dvc_fills_in(root, name):
    text = (root / f".dvc/plots/{name}.json").read_text()
    anchors = set(re.findall(r"<DVC_METRIC_(\w+)>", text))
    assert {"DATA", "TITLE", "X", "X_LABEL", "Y_LABEL"} <= anchors <= {
        "DATA", "TITLE", "X", "Y", "X_LABEL", "Y_LABEL",
    }  # fmt: skip


def test_variants_have_the_colours_of_the_figures(root):
    """The table has them in a column; there is no scale that could give others."""
    template = json.loads((root / ".dvc/plots/variants.json").read_text())
    curves, legend = template["hconcat"]
    for encoding in (curves["spec"]["encoding"], legend["encoding"]):
        assert encoding["color"] == {"field": "colour", "type": "nominal", "scale": None}
    assert legend["encoding"]["y"]["sort"] is None, "in the order of the file: of params.yaml"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_carries_its_scripts_and_loads_nothing(page):
    assert page.count("{plot_divs}") == 1
    assert "{scripts}" not in page, "DVC's own, from a server"
    tags = Tags()
    tags.feed(page)
    scripts = [attributes for tag, attributes in tags.found if tag == "script"]
    names = [it["data-package"].partition("@")[0] for it in scripts if "data-package" in it]
    assert names == ["vega", "vega-lite", "vega-embed"], "each needs those before it"
    assert len(scripts) == 4
    for tag, attributes in tags.found:
        assert tag not in ("link", "img", "iframe")
        assert not {"src", "href"} & attributes.keys()
    assert "url(" not in page.partition("<script")[0]
