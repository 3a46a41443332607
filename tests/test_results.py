"""The committed results."""

import json
from pathlib import Path

import pytest

EXPERIMENTS = sorted(
    path.parent.name for path in (Path(__file__).parents[1] / "reports").glob("*/report.md")
)
"""Those that have run; demo always has."""

IN_DVC = ("maps/*", "vector/*", "scores.csv", "numbers.csv")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_results_were_made_by_the_pinned_torch(root, experiment):
    pins = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (pinned,) = [line.split("==")[1].split()[0] for line in pins if line.startswith("torch==")]
    metrics = list((root / "reports" / experiment / "metrics").glob("*.json"))
    assert len(metrics) >= 5
    for path in metrics:
        made_by = json.loads(path.read_text(encoding="utf-8"))["trained_on"]["torch"]
        assert made_by.partition("+")[0] == pinned


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_what_git_keeps_of_an_experiment_stays_small(root, experiment):
    folder = root / "reports" / experiment
    in_dvc = {path for name in IN_DVC for path in folder.glob(name)}
    files = [path for path in folder.rglob("*") if path.is_file() and path not in in_dvc]
    assert sum(path.stat().st_size for path in files) < 4 * 2**20
