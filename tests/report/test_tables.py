import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.results import losses_of

from whitepatch.claims.article import Quantity
from whitepatch.maps.scores import SCORES
from whitepatch.report.tables import (
    comparison,
    feature_table,
    looking_maps,
    map_table,
    probe_tables,
    score_table,
    seed_table,
)
from whitepatch.report.verdicts import judge

HISTORIES = {
    variant: pd.DataFrame(
        {
            "seed": [0] * 4 + [1] * 4,
            "epoch": [1, 2, 3, 4] * 2,
            "test_loss": [0.8, 0.2, 0.3, 0.5, 0.4, 0.1, 0.1, 0.1],
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
    found = judge(results, HISTORIES, losses_of(results, b=1.0))
    table = comparison(results, found.primary)
    assert list(table["measure"].unique())[:3] == ["loss", "accuracy", "auc"]
    row = table[(table["variant"] == "b") & (table["measure"] == "min_test_loss")].iloc[0]
    assert row.tolist()[2:7] == [2, 0.5, pytest.approx(0.125**0.5), 0.25, 0.75]
    assert row[["low", "high"]].isna().all(), "no interval of two seeds"
    for measure in ("loss", "accuracy"):
        row = table[(table["variant"] == "b") & (table["measure"] == measure)].iloc[0]
        crossed = found.measure(Quantity(measure, "b"))
        assert row[["low", "high"]].tolist() == [crossed.low, crossed.high]


def test_map_table_keeps_trained_and_untrained_apart(results):
    table = map_table(results)
    chosen = table[(table["variant"] == "b") & (table["map"] == "attention gate")]
    assert len(chosen) == 4
    gate = results.metrics["b"]["seeds"]["1"]["untrained_maps"]["attention gate"]
    row = chosen[~chosen["trained"] & (chosen["seed"] == "1")].iloc[0]
    assert row["mass"] == gate["mass"]
    assert (table["variant"] == "control").sum() == 2 * 6


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


def test_what_decides_by_hand(results):
    for seed, auc in (("0", 0.9), ("1", 0.3)):
        results.metrics["b"]["seeds"][seed]["maps"]["output 1"]["auc"] = auc
        results.metrics["b"]["seeds"][seed]["maps"]["input 1"]["auc"] = 0.625
    losses = losses_of(results, b=1.0)
    found = judge(results, HISTORIES, losses)
    np.testing.assert_allclose(found.by_seed["excess"]["b"], [0.5 / 0.2 - 1, 0])
    # .8 falls to .2, then rises by .1 and .2, over four epochs; .4 only falls
    np.testing.assert_allclose(found.by_seed["rises"]["b"], [0.3 / 4, 0])
    np.testing.assert_allclose(found.by_seed["output"]["b"], [0.8, 0.4])
    shown = found.measure(Quantity("output", "b", less="input"))
    assert (shown.value, shown.num_seeds) == (pytest.approx(0.35), 2)
    assert {*np.round(shown.resamples, 9)} == {0.15, 0.35, 0.55}, "seeds alone are drawn"
    # thirteen images: 3 or -3 right, but the first, 30 and wrong; b says 4 where there is a patch
    loss = found.measure(Quantity("loss", "aa", "b"))
    assert loss.value == pytest.approx(6 / 13 * (np.log1p(np.exp(-3)) - np.log1p(np.exp(-4))))
    assert found.measure(Quantity("accuracy", "b")).value == pytest.approx(12 / 13)
    assert loss.num_scenes == 13


def test_one_epoch_neither_rises_nor_exceeds(results):
    first = {name: table[table["epoch"] == 1] for name, table in HISTORIES.items()}
    found = judge(results, first, losses_of(results)).by_seed
    assert found["rises"]["b"].tolist() == found["excess"]["b"].tolist() == [0, 0]


def test_seeds_are_paired_whatever_their_order(results):
    expected = judge(results, HISTORIES, losses_of(results)).by_seed["output"]["aa"]
    seeds = results.metrics["aa"]["seeds"]
    results.metrics["aa"]["seeds"] = dict(reversed(seeds.items()))
    found = judge(results, HISTORIES, losses_of(results)).by_seed["output"]["aa"]
    assert found.tolist() == expected.tolist()
    assert found[0] != found[1]


def test_scores_are_tidy(results):
    table = score_table(results)
    assert list(table) == ["experiment", "variant", "map", "network", "seed", "score", "value"]
    assert not table.duplicated(["variant", "map", "network", "seed", "score"]).any()
    one = table[
        (table["variant"] == "b")
        & (table["map"] == "attention gate")
        & (table["seed"] == "1")
        & (table["network"] == "trained")
        & (table["score"] == "mass")
    ]
    assert (
        one["value"].item() == results.metrics["b"]["seeds"]["1"]["maps"]["attention gate"]["mass"]
    )


def test_scores_of_attributions_are_tidy_by_network(results):
    table = score_table(results)
    found = table[(table["map"] == "trunk length") & (table["variant"] == "b")]
    assert len(found) == 3 * 2 * len(SCORES)
    for network in ("trained", "untrained", "redrawn"):
        one = found[(found["network"] == network) & (found["score"] == "rank")]
        asked = [it["attributions"][network] for it in results.metrics["b"]["seeds"].values()]
        assert one["value"].tolist() == [it["trunk length"]["rank"] for it in asked]


@pytest.mark.parametrize("name", ["attention gate", "a map of its own"])
def test_probes_become_tables(results, name):
    text = json.dumps(results.metrics).replace("attention gate", name)
    results = replace(results, metrics=json.loads(text))
    tables = probe_tables(results)
    seed = results.metrics["b"]["seeds"]["1"]["probes"]
    row = tables["occlusion"].iloc[3]
    assert (row["variant"], row["seed"]) == ("b", 1)
    assert row["hidden"] == seed["occlusion"]["hidden"]
    some = tables["distractor"]
    some = some[(some["variant"] == "b") & (some["seed"] == 1) & (some["map"] == "attention")]
    assert some["planted"].tolist() == ["white, the real one", "black", "grey"]
    assert some["auc"].tolist()[1] == seed["distractor"]["black"]["maps"][name]["auc"]
    assert len(tables["randomised"]) == 2 * 2 * (1 + 2)
