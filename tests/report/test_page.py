import re

import pandas as pd
import pytest

from whitepatch.report import page
from whitepatch.report.tables import (
    comparison,
    feature_table,
    looking_maps,
    map_table,
    published_table,
    seed_table,
)


def test_seed_table_has_a_row_for_each_variant_and_seed(results):
    table = seed_table(results)
    assert table[["variant", "seed"]].to_numpy().tolist() == [
        ["aa", 0],
        ["aa", 1],
        ["b", 0],
        ["b", 1],
    ]
    assert table.loc[2, "accuracy"] == results.metrics["b"]["seeds"]["0"]["test"]["accuracy"]


def test_comparison_by_hand(results):
    for seed, loss in (("0", 0.25), ("1", 0.75)):
        results.metrics["b"]["seeds"][seed]["min_test_loss"] = loss
    table = comparison(results)
    row = table[(table["variant"] == "b") & (table["measure"] == "min_test_loss")].iloc[0]
    assert row.tolist()[2:] == [2, 0.5, pytest.approx(0.125**0.5), 0.25, 0.75]


def test_map_table_keeps_trained_and_untrained_apart(results):
    table = map_table(results)
    chosen = table[(table["variant"] == "b") & (table["map"] == "attention gate")]
    assert len(chosen) == 4
    gate = results.metrics["b"]["seeds"]["1"]["untrained_maps"]["attention gate"]
    row = chosen[~chosen["trained"] & (chosen["seed"] == "1")].iloc[0]
    assert row["mass"] == gate["mass"]
    assert (table["variant"] == "control").sum() == 4


def test_published_numbers_stand_beside_ours_by_hand(results):
    for seed, loss in (("0", 0.25), ("1", 0.75)):
        results.metrics["b"]["seeds"][seed]["min_test_loss"] = loss
    table = published_table(results)
    assert table["variant"].tolist() == ["b", "b"], "the article has no other"
    row = table[table["measure"] == "min_test_loss"].iloc[0]
    assert row["published"] == 0.3125
    assert row["mean"] - row["published"] == row["difference"] == 0.1875
    assert row["std"] == pytest.approx(0.125**0.5)
    assert (row["num_seeds"], row["num_below"]) == (2, 1)


def test_looking_maps_are_evidence_of_all_and_attention_of_some(results):
    assert [entry[:2] for entry in looking_maps(results)] == [
        ("aa", "evidence"),
        ("b", "evidence"),
        ("b", "attention gate"),
    ]


def test_features_count_both_directions(results):
    results.metrics["aa"]["seeds"]["0"]["maps"]["output 1"]["auc"] = 0.1
    table = feature_table(results)
    chosen = (table["variant"] == "aa") & (table["side"] == "output") & table["trained"]
    assert table[chosen & (table["seed"] == "0")]["separation"].item() == pytest.approx(0.8)


def test_spread():
    assert page.spread(pd.Series([1.0, 3.0]), 1) == "2.0 ± 1.4"
    assert page.spread(pd.Series([0.12345]), 3) == "0.123"


@pytest.fixture
def pages(results):
    names = ["errors", "learning_curves", "attention", "localization", "article", "contact_sheet"]
    figures = {
        name: page.Figure(f"figures/{name}.png", b"PNG", f"{name} drawn", "report@demo")
        for name in names
    }

    def render():
        content = page.content(results, figures)
        return page.render("report.html", content), page.render("report.md", content)

    return render


def test_the_page_needs_no_other_file_and_escapes_what_it_is_given(pages):
    html, markdown = pages()
    assert html.count("data:image/png;base64,UE5H") == 6
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert markdown.count("](figures/") == 6


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (("min_test_loss",), 0.123456, "0.9877"),
        (("test", "accuracy"), 0.111, "0.988"),
        (("maps", "evidence", "pointing"), 0.111, "0.99"),
    ],
)
def test_a_number_that_changes_is_seen_on_both_pages(results, pages, path, before, after):
    results.metrics["b"]["seeds"].pop("1")
    *sections, last = path
    section = results.metrics["b"]["seeds"]["0"]
    for name in sections:
        section = section[name]
    section[last] = before
    assert not any(f"| {after} |" in text or f"<td>{after}</td>" in text for text in pages())
    section[last] = 0.98765
    html, markdown = pages()
    assert f"<td>{after}</td>" in html
    assert f"| {after} |" in markdown
