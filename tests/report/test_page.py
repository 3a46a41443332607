import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.results import results_of

from whitepatch.claims.rules import Measured, decide, pairs
from whitepatch.report import page
from whitepatch.report.content import content
from whitepatch.report.drawing import FIGURES, captions
from whitepatch.report.tables import (
    comparison,
    feature_table,
    looking_maps,
    map_table,
    probe_tables,
    published_table,
    score_table,
    seed_table,
)
from whitepatch.report.verdicts import Verdicts, as_json, judge, measured

HISTORIES = {
    variant: pd.DataFrame(
        {
            "seed": [0] * 4 + [1] * 4,
            "epoch": [1, 2, 3, 4] * 2,
            "test_loss": [0.8, 0.2, 0.3, 0.5, 0.4, 0.1, 0.1, 0.1],
            "validation_loss": [0.8, 0.7, 0.3, 0.5, 0.4, 0.3, 0.2, 0.6],
        }
    )
    for variant in ("aa", "b")
}


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
    assert row.tolist()[2:] == [2, 0.5, pytest.approx(0.125**0.5), 0.25, 0.75, 0.25, 0.75]


def test_map_table_keeps_trained_and_untrained_apart(results):
    table = map_table(results)
    chosen = table[(table["variant"] == "b") & (table["map"] == "attention gate")]
    assert len(chosen) == 4
    gate = results.metrics["b"]["seeds"]["1"]["untrained_maps"]["attention gate"]
    row = chosen[~chosen["trained"] & (chosen["seed"] == "1")].iloc[0]
    assert row["mass"] == gate["mass"]
    assert (table["variant"] == "control").sum() == 6


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


@pytest.fixture
def pages(results):
    names = [*FIGURES, "contact_sheet"]
    figures = {
        name: page.Figure(f"figures/{name}.png", b"PNG", f"{name} drawn", "report@demo")
        for name in names
    }

    def render(verdicts=None):
        inputs = page.Table(["file", "made by", "MD5"], [["a.csv", "split@demo", "0cc1"]])
        histories = dict.fromkeys(results.metrics, HISTORIES["b"])
        filled = content(results, histories, verdicts or judge(results, HISTORIES), figures, inputs)
        return page.render("report.html", filled), page.render("report.md", filled)

    return render


def test_the_page_needs_no_other_file_and_escapes_what_it_is_given(pages):
    html, markdown = pages()
    assert html.count("data:image/png;base64,UE5H") == len(FIGURES) + 1
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert markdown.count("](figures/") == len(FIGURES) + 1


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
    assert not any(f"| {after} |" in text or f">{after}</span>" in text for text in pages())
    section[last] = 0.98765
    html, markdown = pages()
    assert f">{after}</span></td>" in html
    assert f"| {after} |" in markdown


def test_what_decides_by_hand(results):
    for seed, auc in (("0", 0.9), ("1", 0.3)):
        results.metrics["b"]["seeds"][seed]["maps"]["output 1"]["auc"] = auc
    found = measured(results, HISTORIES)
    np.testing.assert_allclose(found.excess["b"], [0.5 / 0.2 - 1, 0])
    np.testing.assert_allclose(found.unrest["b"], [0.1, 0])
    np.testing.assert_allclose(found.output["b"], [0.8, 0.4])
    losses = [results.metrics["b"]["seeds"][seed]["min_test_loss"] for seed in ("0", "1")]
    assert found.error["b"].tolist() == losses


def test_seeds_are_paired_whatever_their_order(results):
    seeds = results.metrics["aa"]["seeds"]
    results.metrics["aa"]["seeds"] = dict(reversed(seeds.items()))
    found = measured(results, HISTORIES)
    assert found.error["aa"].tolist() == [seeds[seed]["min_test_loss"] for seed in ("0", "1")]


@pytest.fixture
def verdicts():
    generator = np.random.default_rng(3)
    names = ("cnn", "mha_linear", "mha_conv1d", "cbam")

    def some(cnn):
        noise = {name: generator.normal(1, 0.01, 10) for name in names}
        return noise | {"cnn": noise["cnn"] + cnn}

    numbers = Measured(some(3.0), *(some(0.0) for _ in range(5)))
    compared = pairs(numbers.error)
    return Verdicts(decide(numbers, compared), compared)


def test_the_answer_counts_the_verdicts_and_names_what_differs(results, pages, verdicts):
    for claim in verdicts.claims:
        assert claim.verdict in ("confirmed", "refuted", "not decidable")
    titles = {"cnn": "CNN", "mha_linear": "L", "mha_conv1d": "C", "cbam": "B"}
    for name, title in titles.items():
        results.metrics[name] = results.metrics["b"] | {"title": title}
    _, markdown = pages(verdicts)
    refuted = [str(it.number) for it in verdicts.claims if it.verdict == "refuted"]
    assert f"({', '.join(refuted)})" in markdown
    for lower in "LCB":
        assert f"{lower} has a lower smallest test loss than CNN" in markdown
    assert markdown.count("a lower smallest test loss than") == 3
    assert "improves on the plain CNN. | confirmed | error: CNN − L | +3" in markdown


def test_claims_are_json_with_their_numbers(verdicts):
    found = as_json(verdicts)
    assert [claim["id"] for claim in found["claims"]] == list(range(1, 9))
    first = found["claims"][0]["numbers"]["error: cnn - mha_linear"]
    assert first["mean"] == pytest.approx(3, abs=0.1)
    assert first["num_seeds"] == 10
    assert first["p_value"] == pytest.approx(2 / 1024)
    assert {"low", "high", "smallest_p", "probability", "detectable"} < first.keys()
    assert len(found["pairs"]) == 6
    assert found["pairs"][0]["significantly_lower"] == "mha_linear"


def test_without_the_articles_variants_there_are_no_claims(results, pages):
    assert judge(results, HISTORIES).claims == []
    assert not any("The article's claims" in text for text in pages())


def test_the_sentences_fit_a_single_variant_and_a_single_seed(everything):
    results = results_of(everything, ["cnn"], num_seeds=1)
    train = results.experiment.train.model_copy(update={"seeds": (0,)})
    results = replace(results, experiment=results.experiment.model_copy(update={"train": train}))
    histories = {"cnn": HISTORIES["aa"]}
    inputs = page.Table(["file", "made by", "MD5"], [])
    names = [*FIGURES, "contact_sheet"]
    figures = {name: page.Figure("a.png", b"PNG", name, "x") for name in names}
    text = page.render(
        "report.md", content(results, histories, judge(results, histories), figures, inputs)
    )
    assert "None of these variants was planned to be compared with another." in text
    assert "The only map, <cnn>: evidence, has a mean pixel AUC of" in text
    assert "1 seed of each variant" in text
    assert "The value of a single seed." in text
    for clumsy in ("±", "1 seeds", "None of 0", " 0 planned"):
        assert clumsy not in text.replace("±10%", "")


def test_every_claim_says_what_would_decide_it(results, pages, verdicts):
    for name in ("cnn", "mha_linear", "mha_conv1d", "cbam"):
        results.metrics[name] = results.metrics["b"]
    html, markdown = pages(verdicts)
    assert "| 3. Linear multi-head attention overfits somewhat. | interval of last test" in markdown
    assert "The rules</summary>" in html


def test_a_figure_names_the_published_numbers_where_it_marks_them(results):
    assert captions(results) == FIGURES
    for metrics in results.metrics.values():
        metrics["images"]["stand_in"] = False
    shows, files = captions(results)["errors"]
    assert files == "metrics/ and data/published.csv"
    assert "diamonds" in shows


def test_scores_are_tidy(results):
    table = score_table(results)
    assert list(table) == ["experiment", "variant", "map", "trained", "seed", "score", "value"]
    assert not table.duplicated(["variant", "map", "trained", "seed", "score"]).any()
    one = table[
        (table["variant"] == "b")
        & (table["map"] == "attention gate")
        & (table["seed"] == "1")
        & table["trained"]
        & (table["score"] == "mass")
    ]
    assert (
        one["value"].item() == results.metrics["b"]["seeds"]["1"]["maps"]["attention gate"]["mass"]
    )


def test_probes_become_tables(results):
    tables = probe_tables(results)
    seed = results.metrics["b"]["seeds"]["1"]["probes"]
    row = tables["occlusion"].iloc[3]
    assert (row["variant"], row["seed"]) == ("b", 1)
    assert row["hidden"] == seed["occlusion"]["hidden"]
    some = tables["distractor"]
    some = some[(some["variant"] == "b") & (some["seed"] == 1) & (some["map"] == "attention")]
    assert some["planted"].tolist() == ["white, the real one", "black", "grey"]
    assert some["auc"].tolist()[1] == seed["distractor"]["black"]["maps"]["attention gate"]["auc"]
    assert len(tables["randomised"]) == 2 * 2 * 2


def test_the_page_says_which_network_stands_for_the_experiment(pages):
    _, markdown = pages()
    # seed 1 has the lowest validation loss, 0.2, at its third epoch, in both; of equals the first
    assert "<aa>, seed 1, which MLflow's registry calls whitepatch-demo, alias chosen." in markdown
    assert "| 1 | 3 | 0.2000 |" in markdown
