"""What the page of an experiment says, and that it follows from the numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.results import histories_of, losses_of, report, results_of

from whitepatch import sources
from whitepatch.claims.measured import Measured
from whitepatch.claims.rules import PRINTED, RULES, decide, pairs
from whitepatch.report.losses import Losses
from whitepatch.report.verdicts import Verdicts, as_json, judge


def test_the_page_needs_no_other_file_and_escapes_what_it_is_given(results):
    page = report(results, figures=["mixing", "channel_gates"])
    pictures = re.findall(r"]\(([a-z_/]+.png)\)", page.markdown)
    assert page.html.count("data:image/png;base64,UE5H") == len(pictures) > 12
    assert not re.findall(r'(?:src|href)="(?!data:|#|https://arxiv)', page.html)
    assert "&lt;b&gt;" in page.html
    assert "<b>" not in page.html
    assert not re.findall(r"[\ue000\ue001]|Number\(", page.html + page.markdown)


def test_every_table_on_the_page_is_one_in_html(results):
    page = report(results)
    tables = re.findall(r"(?<!\|\n)\|.*\|\n\| ---", page.markdown)
    assert page.html.count("<table") == len(tables) > 8
    assert "| ---" not in page.html


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (("min_test_loss",), 0.123456, "0.9877"),
        (("test", "accuracy"), 0.111, "0.988"),
        (("maps", "evidence", "pointing"), 0.111, "0.99"),
    ],
)
def test_a_number_that_changes_is_seen_on_both_pages(everything, path, before, after):
    results = results_of(everything, ("aa", "b"), num_seeds=1)
    *sections, last = path
    section = results.metrics["b"]["seeds"]["0"]
    for name in sections:
        section = section[name]
    section[last] = before
    assert f"| {after} |" not in report(results).markdown
    section[last] = 0.98765
    page = report(results)
    assert f">{after}</span></td>" in page.html
    assert f"| {after} |" in page.markdown


@pytest.fixture
def printed(everything, monkeypatch):
    """Return ten seeds of the article's variants, in which CNN is clearly the worst."""
    monkeypatch.setattr("whitepatch.claims.statistics.RESAMPLES", 99)  # as true, and faster
    results = results_of(everything, PRINTED, num_seeds=10)
    for variant, metrics in results.metrics.items():
        metrics["title"] = variant.upper()
        for seed in metrics["seeds"].values():
            seed["min_test_loss"] = seed["min_test_loss"] / 100 + (3 if variant == "cnn" else 1)
    results.published.update(cnn={"min_test_loss": 0.5}, mha_linear={"min_test_loss": 0.25})
    return results


def test_the_answer_names_what_differs_and_which_claims_are_decided(printed):
    text = report(printed).markdown
    for lower in ("MHA_LINEAR", "MHA_CONV1D", "CBAM"):
        assert f"{lower} has a lower smallest test loss than CNN (accuracy " in text
    assert text.count("has a lower smallest test loss than") == 3
    assert "No other of 6 planned comparisons is significant." in text
    histories = histories_of(printed)
    claims = judge(printed, histories).claims
    for verdict in ("confirmed", "refuted", "not decidable"):
        which = ", ".join(str(it.number) for it in claims if it.verdict == verdict)
        assert f"{verdict}: {which or 'none'}" in text
    assert "| 3. Linear multi-head attention overfits somewhat. | interval of last test" in text


@pytest.mark.parametrize(("num_seeds", "said"), [(5, False), (6, True)])
def test_half_a_claim_takes_as_many_seeds_as_a_whole_one(everything, num_seeds, said):
    results = results_of(everything, PRINTED, num_seeds=num_seeds)
    for seed in results.metrics["mha_linear"]["seeds"].values():
        seed["min_test_loss"] += 1000
    results.published.update(cnn={"min_test_loss": 0.5}, mha_linear={"min_test_loss": 0.25})
    text = report(results).markdown
    assert ("That its error is lower than that of linear attention holds;" in text) == said
    assert ("of such experiments takes some" in text) == said


def test_the_second_look_follows_from_the_seeds(printed):
    def said(number, **how):
        text = report(printed, **how).markdown
        return re.search(rf"^\| {number}\. .* \| .* \| (.*) \|$", text, re.MULTILINE)[1]

    for variant, shift in (("cbam", 1.0), ("mha_conv1d", 0.0)):
        for seed in printed.metrics[variant]["seeds"].values():
            seed["test"]["loss"] = seed["test"]["accuracy"] / 100 + shift
            seed["test"]["accuracy"] = 0.75 - shift / 2
    assert "contradicted by 2 of 4 other measures" in said(6)
    assert "chosen loss (MHA_CONV1D, p 0.002), accuracy (MHA_CONV1D, p 0.002)." in said(6)
    for seed in printed.metrics["cbam"]["seeds"].values():
        seed["test"] |= {"loss": seed["test"]["loss"] - 1.5, "accuracy": 1.0}
    assert "Of 4 other measures (chosen loss, last loss, accuracy, ROC-AUC) none" in said(6)
    # 50 % of an error of 3, with next to no spread
    assert "50 % of the CNN's error, in 80 % of such experiments takes some 2 seeds" in said(1)
    assert "That its error is lower than that of linear attention is" in said(4)
    histories = histories_of(printed)
    assert "half the difference of the last two losses" in said(8, histories=histories)
    for variant in ("cnn", "cbam"):
        histories[variant]["test_loss"] = 1 / histories[variant]["epoch"]
    assert (
        "the loss of CNN goes from 0.33 to 0.25, the loss of CBAM goes from 0.33 to 0.25."
        in said(8, histories=histories)
    )
    del printed.published["cnn"]
    assert said(1) == "–", "there is no published difference"


def test_the_page_says_what_no_data_can_change(printed):
    text = report(printed).markdown
    assert "class activation mapping (CAM" in text
    assert "so it was not fixed before the data" in text
    assert "Evidence cannot be compared" not in text, "no layer mixes places"
    printed.metrics["mha_conv1d"]["mixes_places"] = True
    text = report(printed).markdown
    assert "points best" not in text
    assert "that mixes places (MHA_CONV1D) a cell holds" in text
    assert "Behind the others (CNN; MHA_LINEAR; CBAM) a cell" in text


@pytest.mark.parametrize(("brightest", "said"), [(254, True), (255, False)])
def test_a_task_of_one_pixel_is_called_so(results, brightest, said):
    text = report(results, brightest=brightest).markdown
    assert ("task of one pixel" in text) == said
    assert ("no pixel of the test images is above 254, and the patch is 255." in text) == said


def test_losses_by_image_and_by_what_it_shows_by_hand():
    logits = np.array([[[4.0, -2.0, 0.0]], [[0.0, 0.0, 0.0]]])
    labels, rows = np.array([[1, 0, 1]]), np.array([[7, 8, 9]])
    maps = {
        name: {"logits": x, "labels": labels, "rows": rows}
        for name, x in zip("ab", logits, strict=True)
    }
    losses = Losses.of(maps, np.array([["sea", "sea", "sky"]]))
    expected = [np.log1p(np.exp(-4)), np.log1p(np.exp(-2)), np.log(2)]
    np.testing.assert_allclose(losses.losses[0, 0], expected)
    assert losses.correct.tolist() == [[[True, True, False]], [[False, True, False]]]
    assert losses.in_order() == ["sky", "sea"]
    assert losses.hardest() == [9, 8, 7]
    table = losses.table().set_index(["variant", "shows"])
    assert table.loc[("b", "sea")].tolist() == [
        2,
        0.5,
        pytest.approx(np.log(2)),
        pytest.approx(2 / 3),
    ]
    assert table.loc[("a", "sky"), "share"] == pytest.approx(expected[2] / sum(expected))


def test_seeds_with_images_of_their_own_meet_in_those_that_several_have():
    logits = np.array([[2.0, 0.0], [0.0, -1.0]])
    maps = {"labels": np.array([[1, 1], [0, 1]]), "rows": np.array([[5, 6], [6, 8]])}
    losses = Losses.of({"a": maps | {"logits": logits}}, np.array([["x", "y"], ["y", "z"]]))
    mean = losses.by_image()
    assert mean.index.tolist() == [5, 6, 8]
    assert mean[6] == pytest.approx(np.log(2))
    assert losses.hardest() == [8, 6, 5]
    assert losses.worst(8) == (1, 1)
    assert losses.worst(6) == (0, 1)
    table = losses.table().set_index("shows")
    assert table["num_images"].to_dict() == {"x": 1, "y": 1, "z": 1}
    assert table["share"].sum() == pytest.approx(1)


def test_the_page_says_which_pictures_the_losses_come_from(results):
    assert losses_of(results).hardest()[0] == 0
    text = report(results).markdown
    assert "The 10 test images with the highest losses hold 100 % of all loss. 8 of them" in text
    assert "| sky | 2 | 0.500 | 98 % | 98 % |" in text
    assert "| *the hardest images* | 10 | 0.900 | 100 % | 100 % |" in text


def test_claims_are_json_with_their_numbers():
    generator = np.random.default_rng(3)

    def some(cnn):
        noise = {name: generator.normal(1, 0.01, 10) for name in PRINTED}
        return noise | {"cnn": noise["cnn"] + cnn}

    numbers = Measured(some(3.0), *(some(0.0) for _ in range(5)))
    compared = pairs(numbers.error)
    found = as_json(Verdicts(decide(numbers, compared), compared, numbers))
    assert [claim["id"] for claim in found["claims"]] == list(RULES)
    first = found["claims"][0]["numbers"]["error: cnn - mha_linear"]
    assert first["mean"] == pytest.approx(3, abs=0.1)
    assert first["num_seeds"] == 10
    assert first["p_value"] == pytest.approx(2 / 1024)
    assert {"low", "high", "smallest_p", "probability", "detectable"} < first.keys()
    assert len(found["pairs"]) == 6
    assert found["pairs"][0]["significantly_lower"] == "mha_linear"


def test_without_the_articles_variants_there_are_no_claims(results):
    assert judge(results, histories_of(results)).claims == []
    assert "The article's claims" not in report(results).markdown


def test_the_sentences_fit_a_single_variant_and_a_single_seed(everything):
    text = report(results_of(everything, ["cnn"], num_seeds=1)).markdown
    assert "None of these variants was planned to be compared with another." in text
    assert "1 seed of each variant" in text
    assert "The value of a single seed." in text
    for clumsy in ("±", "1 seeds", "None of 0", " 0 planned"):
        assert clumsy not in text.replace("±10%", "")


def test_the_articles_numbers_stand_beside_ours_by_hand(results):
    for seed, loss in (("0", 0.25), ("1", 0.75)):
        results.metrics["b"]["seeds"][seed]["min_test_loss"] = loss
    assert "Beside the article" not in report(results).markdown
    experiment = results.experiment.model_copy(update={"source": "stl10"})
    results.any_variant["images"]["stand_in"] = False
    text = report(replace(results, experiment=experiment)).markdown
    assert "| <b> | smallest test loss | 0.312 | 0.500 ± 0.35 | +0.19 | 1 of 2 |" in text
    assert "diamonds are the article's numbers" in text


def test_the_page_says_which_network_stands_for_the_experiment(results):
    histories = histories_of(results)
    histories["b"].loc[6, "validation_loss"] = -1.0
    text = report(results, histories).markdown
    assert "<b>, seed 1, which MLflow's registry calls whitepatch-demo, alias chosen." in text
    assert "| 1 | 3 | -1.0000 |" in text


def test_labels_stand_for_scenes_and_classes(everything):
    assert sources.find("photos").subjects([1, 2], everything) == ["aerial", "astronaut"]
    assert sources.find("stl10").subjects([1, 10], everything) == ["airplane", "truck"]
    assert sources.find("stl10").drawable([1, 10], everything) == [True, True]


def section(page):
    start = page.markdown.index("## Where they look, one layer earlier")
    return page.markdown[start : page.markdown.index("## Does the decision use it")]


def test_attributions_stand_beside_those_of_untrained_networks(printed):
    for number, seed in enumerate(printed.metrics["cnn"]["seeds"].values()):
        asked = seed["attributions"]
        asked["trained"]["trunk Grad-CAM"]["auc"] = 0.75 + 0.05 * (-1) ** number
        asked["untrained"]["trunk Grad-CAM"]["auc"] = 0.5
        asked["completeness"]["black"]["relative"] = 0.0129
    text = section(report(printed))
    head = "CAM | Grad-CAM, trunk | length, trunk | gradient, picture | IG grey, picture |"
    assert f"{head} IG black, picture | error, IG grey | error, IG black |\n" in text
    assert f"{head}\n" in text, "of untrained networks less is asked"
    trained, untrained = (x for x in text.splitlines() if x.startswith("| CNN |"))
    assert re.search(r"\| 0\.75 \[0\.7[0-3], 0\.7[7-9]\] \|", trained)
    assert "| 0.50 [0.50, 0.50] |" in untrained
    assert trained.endswith("| 0.013 [0.013, 0.013] |"), "the error of completeness"
    attending = [x for x in text.splitlines() if x.startswith("| MHA_CONV1D | 0.62")]
    assert len(attending) == 1
    assert attending[0].count("|") == 8
    assert "undefined |" not in text


def test_controls_that_ask_no_decision_are_said_with_their_scores(printed):
    for variant, metrics in printed.metrics.items():
        for seed in metrics["seeds"].values():
            low = variant == "cbam"
            seed["attributions"]["trained"]["trunk length"]["auc"] = 0.625 if low else 0.875
            seed["attributions"]["untrained"]["trunk length"]["auc"] = 0.375 if low else 0.75
            if variant == "mha_conv1d":
                seed["attributions"]["trained"]["value norm"]["auc"] = 0.9375
    text = section(report(printed))
    said = "scores 0.62 to 0.88 (untrained: 0.38 to 0.75), and the norm of values alone, which asks"
    assert said in text
    assert "neither attention nor decision, 0.94 (untrained" in text


def test_where_cam_is_undefined_the_page_says_so(results):
    for seed in results.metrics["aa"]["seeds"].values():
        places = (seed, *seed["probes"]["distractor"].values())
        for found in (*(it["maps"] for it in places), seed["untrained_maps"], seed["clean"]):
            found.pop("evidence")
        for found in seed["probes"]["randomised"].values():
            found.pop("evidence")
    results.metrics["aa"]["emergence"]["auc"].pop("evidence")
    page = report(results)
    assert "it is undefined, and not drawn (&lt;aa&gt;)" in page.html
    text = section(page)
    assert text.count("| undefined |") == 2
    assert "norm of values" not in text, "no layer attends between cells"
