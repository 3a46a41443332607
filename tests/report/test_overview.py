import json
import re
from dataclasses import replace

import pytest
from helpers.results import index

from whitepatch import params, paths
from whitepatch.report.results import published, read, why_not


def test_experiments_stand_side_by_side_and_beside_the_article(results):
    for seed, loss in (("0", 0.25), ("1", 0.75)):
        results.metrics["b"]["seeds"][seed]["min_test_loss"] = loss
    page = index(results, replace(results, name="photos"), missing={"article": "has not run"})
    assert "| variant | published | demo | photos |" in page.markdown
    assert "| <b> | 0.3125 | 0.5000 ± 0.3536 | 0.5000 ± 0.3536 |" in page.markdown
    assert 'title="photos/metrics/b.json: seeds.*.min_test_loss">0.5000 ± 0.3536<' in page.html
    assert "| <aa> | – |" in page.markdown, "the article does not have it"
    attention = page.markdown.partition("Attention is")[2]
    assert "<b>" in attention
    assert "<aa>" not in attention, "only what attends to places"
    for text, link in (
        (page.html, 'href="demo/report.html"'),
        (page.markdown, "](demo/report.md)"),
    ):
        assert link in text
        assert "article has not run" in text
    assert "<b>" not in page.html


@pytest.fixture
def here(root, tmp_path, monkeypatch):
    """Stand in a folder with the committed results of demo."""
    for folder in ("history", "metrics"):
        (tmp_path / "reports/demo" / folder).mkdir(parents=True)
    for path in (root / "reports/demo/metrics").iterdir():
        (tmp_path / "reports/demo/metrics" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "reports/demo/report.md").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/published.csv").write_bytes((root / "data/published.csv").read_bytes())
    monkeypatch.chdir(tmp_path)


def test_the_published_numbers_are_those_of_the_articles_page(root, monkeypatch):
    monkeypatch.chdir(root)
    page = (root / "docs/article.md").read_text(encoding="utf-8")
    for name, variant in {
        "CNN": "cnn",
        "CNN + multi-head (Linear)": "mha_linear",
        "CNN + multi-head (Conv1d)": "mha_conv1d",
        "CNN + CBAM": "cbam",
    }.items():
        train, test = published().pop(variant).values()
        assert f"| {name} | {train} | {test} |" in page
    assert len(published()) == 4


@pytest.mark.usefixtures("here")
def test_what_cannot_be_compared_says_why(edited):
    everything = params.load(edited({}))
    assert why_not("demo", everything) is None
    assert read("demo", everything).images["stand_in"]
    assert why_not("article", everything) == "has not run yet; dvc repro report@article runs it"
    for changes in (
        {"experiments.demo.train.epochs": 4},
        {"experiments.demo.train.seeds": [0]},
        {"experiments.demo.patch.value": 0.5},
        {"experiments.demo.split.test": 399},
    ):
        changed = params.load(edited(changes))
        assert "made with other parameters" in why_not("demo", changed)
    paths.metrics("demo", "cbam").unlink()
    assert "has no results of cbam; dvc repro report@demo runs it" in why_not("demo", everything)


def test_the_committed_overview_shows_the_committed_results(root):
    text = (root / "reports/index.md").read_text(encoding="utf-8")
    for name in ("demo",):
        assert f"[{name}]({name}/report.md)" in text
        metrics = json.loads((root / paths.metrics(name, "cnn")).read_text(encoding="utf-8"))
        losses = [seed["min_test_loss"] for seed in metrics["seeds"].values()]
        assert f"{sum(losses) / len(losses):.4f}" in text
    assert all(number in text for number in ("0.0541", "0.0421", "0.0143", "0.0280"))


def test_the_articles_own_images_stand_against_its_numbers_by_hand(results):
    for seed, loss in (("0", 0.25), ("1", 0.75)):
        results.metrics["b"]["seeds"][seed]["min_test_loss"] = loss
    results.any_variant["images"]["stand_in"] = False
    text = index(results).markdown
    assert "| variant | published | demo | demo − published |" in text
    assert "| <b> | 0.3125 | 0.5000 ± 0.3536 | +0.19 |" in text
    assert re.search(r"\| <aa> \| – \| \S+ ± \S+ \| – \|", text)
