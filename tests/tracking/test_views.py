"""Views of an experiment in MLflow."""

import base64
import json
import zlib
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from whitepatch.tracking import replay, views


@pytest.fixture(scope="module")
def runs(root):
    """Return what MLflow shows of `demo`, as far as Git has it: one run for each seed."""
    folder = root / "reports" / "demo"
    found = []
    for path in sorted((folder / "metrics").glob("*.json")):
        metrics = json.loads(path.read_text())
        history = pd.read_csv(folder / "history" / f"{path.stem}.csv")
        final = replay._final(metrics["seeds"]["0"])
        found.append((metrics["title"], set(final), set(history.columns)))
    return found


@pytest.fixture(scope="module")
def written(runs):
    metrics = {name for _, final, _ in runs for name in final}
    return views.tags([title for title, _, _ in runs], sorted(metrics))


def state(tag):
    """Unpack a tag as MLflow's pages do."""
    saved = json.loads(tag)
    kind, packed = saved["state"].split(";")
    assert kind == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def metrics_of(chart):
    return {
        "LINE": lambda: chart["selectedMetricKeys"],
        "BAR": lambda: [chart["metricKey"]],
        "SCATTER": lambda: [chart["xaxis"]["key"], chart["yaxis"]["key"]],
    }[chart["type"]]()


def test_every_view_fits_a_tag_and_is_listed_in_order(written):
    assert all(key.startswith("mlflow.sharedViewState.") for key in written)
    assert max(len(value) for value in written.values()) < 5000, "every version of MLflow takes it"
    latest_first = sorted(written.values(), key=lambda tag: -json.loads(tag)["createdAt"])
    names = [json.loads(tag)["name"] for tag in latest_first]
    assert names == sorted(names) == list(views.links())


def test_columns_and_charts_name_what_runs_have(runs, written):
    final = set.union(*(names for _, names, _ in runs))
    epochs = set.union(*(names for _, _, names in runs))
    known = {f"metrics.`{name}`" for name in final} | {"params.`seed`", "tags.`network`"}
    for tag in written.values():
        shown = state(tag)
        assert set(shown["selectedColumns"]) <= known
        assert shown["columnOrder"] == shown["selectedColumns"] == list(shown["columnWidths"])
        assert shown["orderByKey"] in known
        for chart in shown.get("compareRunCharts", []):
            assert set(metrics_of(chart)) <= (epochs if chart["type"] == "LINE" else final), chart


def test_charts_have_their_sections_and_all_others_are_closed(runs, written):
    prefixes = {name.rpartition("/")[0] for _, names, _ in runs for name in names if "/" in name}
    for key in ("variants", "seeds"):
        shown = state(written[f"mlflow.sharedViewState.{key}"])
        sections = {section["uuid"]: section["display"] for section in shown["compareRunSections"]}
        used = {chart["metricSectionId"] for chart in shown["compareRunCharts"]}
        assert used == {name for name, display in sections.items() if display}
        assert prefixes <= sections.keys() - used
        assert next(iter(sections)) == "Learning curves"
        identities = [chart["uuid"] for chart in shown["compareRunCharts"]]
        assert len(identities) == len(set(identities))


def test_only_the_view_of_variants_is_grouped(runs, written):
    grouped = {key: state(tag).get("groupBy") for key, tag in written.items()}
    how = grouped.pop("mlflow.sharedViewState.variants")
    assert how["groupByKeys"] == [{"mode": "tag", "groupByData": views.NETWORK}]
    assert set(grouped.values()) == {None}
    expanded = state(written["mlflow.sharedViewState.variants"])["groupsExpanded"]
    assert expanded == {f"tag.network.{title}": False for title, _, _ in runs}


def test_links_lead_to_the_views(written):
    for link in views.links("7").values():
        path, _, query = urlsplit(link).fragment.partition("?")
        assert path == "/experiments/7/runs"
        [key] = parse_qs(query)["viewStateShareKey"]
        assert f"mlflow.sharedViewState.{key}" in written
