"""Views of an experiment in MLflow: the columns of its run table, and its charts, best first.

MLflow keeps a saved view as a tag of the experiment, offers it under "Views", and opens it by a
link. It has no call that makes one, so the tags are made here, as the pages of MLflow 3.17 do.
"""

__all__ = ["CHARTS", "EXPERIMENT_ID", "NETWORK", "links", "tags"]

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

NETWORK = "network"
"""The tag of a run by which runs are grouped: its variant, as people read it."""

EXPERIMENT_ID = "{experiment_id}"
"""In a text that is written before the experiment has its number: where that belongs."""

State = Mapping[str, Any]
"""Of MLflow's page of runs, or of a chart on it."""

CHARTS = "2 · Charts: means of the variants"
"""The view to begin with."""

# key in the address: name, page
VIEWS = {
    "table": ("1 · Table of all runs", "TABLE"),
    "variants": (CHARTS, "CHART"),
    "seeds": ("3 · Charts: every seed", "CHART"),
}

# with their widths in pixels
COLUMNS = {
    f"tags.`{NETWORK}`": 190,
    "params.`seed`": 70,
    "metrics.`chosen_test_accuracy`": 160,
    "metrics.`chosen_test_loss`": 130,
    "metrics.`min_test_loss`": 130,
    "metrics.`chosen_epoch`": 120,
    "metrics.`score auc/evidence`": 155,
    "metrics.`score auc/attention mean`": 195,
}

LOSSES = ("test_loss", "validation_loss", "train_loss")
ERRORS = ("chosen_test_accuracy", "chosen_test_loss", "min_test_loss")
SCORES = ("score auc/evidence", "score pointing/evidence", "score auc/attention mean")


def tags(networks: Sequence[str], metrics: Sequence[str]) -> dict[str, str]:
    """Return the tags of an experiment that hold its views.

    Args:
        networks: Values of the tag `network`.
        metrics: Names of all final metrics of the runs; those without a chart of their own come
            last, in sections that are closed.
    """
    table: State = {
        "searchFilter": "tags.kind = 'seed'",
        "orderByKey": "metrics.`chosen_test_accuracy`",
        "orderByAsc": False,
        "runsHiddenMode": "SHOW_ALL",
        "selectedColumns": list(COLUMNS),
        "columnOrder": list(COLUMNS),
        "columnWidths": COLUMNS,
    }
    groups: State = {
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": NETWORK}],
        },
        "groupsExpanded": {f"tag.{NETWORK}.{network}": False for network in networks},
    }
    bars = {
        "Errors": [_bar(metric) for metric in ERRORS],
        "Do the maps show the patch?": [_bar(metric) for metric in SCORES],
    }
    clouds = {
        "One against the other": [
            _scatter("min_train_loss", "min_test_loss"),
            _scatter("chosen_test_accuracy", "score auc/evidence"),
            _scatter("score auc/evidence", "score auc/attention mean"),
            _scatter("score auc/input 1", "score auc/output 1"),
        ]
    }
    curves = {"Learning curves": [_line("test_accuracy"), *(_line(metric) for metric in LOSSES)]}
    states = {
        "table": table,
        "variants": {**table, **groups, **_charts({**curves, **bars}, metrics)},
        "seeds": {**table, **_charts({**curves, **clouds}, metrics)},
    }
    # MLflow lists the latest first
    return {
        f"mlflow.sharedViewState.{key}": _saved(name, len(VIEWS) - place, states[key])
        for place, (key, (name, _)) in enumerate(VIEWS.items())
    }


def links(experiment_id: str = EXPERIMENT_ID) -> dict[str, str]:
    """Return the addresses of the views by name, relative to MLflow's."""
    found = {}
    for key, (name, page) in VIEWS.items():
        # without the last, a new browser shows the menus for language models
        query = {
            "viewStateShareKey": key,
            "compareRunsMode": page,
            "workflowType": "machine_learning",
        }
        found[name] = f"#/experiments/{experiment_id}/runs?{urlencode(query)}"
    return found


def _line(metric: str) -> State:
    """Return a chart by epoch, not smoothed: losses on a log scale, accuracies from chance on."""
    log = metric in LOSSES
    return {
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "scaleType": "log" if log else "linear",
        "range": {} if log else {"yMin": 0.45, "yMax": 1.01},
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "lineSmoothness": 0,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def _bar(metric: str) -> State:
    return {"type": "BAR", "metricKey": metric}


def _scatter(x: str, y: str) -> State:
    axes = {"xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}
    return {"type": "SCATTER", **axes}


def _charts(shown: Mapping[str, Sequence[State]], metrics: Sequence[str]) -> State:
    """Return the part of a state that has the charts, by section; all others are closed."""
    # MLflow puts a metric without a chart into the section of what stands before its last slash
    closed = sorted({metric.rpartition("/")[0] for metric in metrics} - {""})
    names = [*shown, *closed, "Model metrics", "System metrics"]
    sections = [
        # an even number of charts in two columns, others in three
        {"uuid": name, "name": name, "display": name in shown, "isReordered": True}
        | {"columns": 2 if name in shown and len(shown[name]) % 2 == 0 else 3, "cardHeight": 360}
        for name in names
    ]
    common = {"deleted": False, "isGenerated": False, "runsCountToCompare": 1000}
    charts = [
        {"uuid": f"{name} {place}", "metricSectionId": name, **common, **chart}
        for name, cards in shown.items()
        for place, chart in enumerate(cards)
    ]
    return {
        "compareRunCharts": charts,
        "compareRunSections": sections,
        "isAccordionReordered": True,
    }


def _saved(name: str, created: int, state: State) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": created, "state": f"deflate;{packed}"})
