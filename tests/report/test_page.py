"""What the page of an experiment says, and that it follows from the numbers."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.results import histories_of, losses_of, report, results_of

from whitepatch import sources
from whitepatch.claims.article import CLAIMS, CONTROLS, PRINTED, Quantity
from whitepatch.report.losses import Losses
from whitepatch.report.verdicts import as_json, judge


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
        (("test", "auc"), 0.111, "0.988"),
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
    """Return ten seeds of the article's variants and of two controls."""
    # as true, and faster
    monkeypatch.setattr("whitepatch.claims.statistics.RESAMPLES", 99)
    monkeypatch.setattr("whitepatch.claims.crossed.RESAMPLES", 1999)
    results = results_of(everything, (*PRINTED, *CONTROLS[:2]), num_seeds=10)
    for variant, metrics in results.metrics.items():
        metrics["title"] = variant.upper()
    return results


def planted(results, **more):
    """Return losses in which CBAM is the best and Conv1d attention next; the rest are alike."""
    return losses_of(results, mha_conv1d=1.0, cbam=3.0, **more)


def test_the_answer_says_which_claims_hold_and_what_is_due_to_attention(printed):
    text = report(printed, losses=planted(printed)).markdown
    assert "learns none (CNN_MAX; CNN_HIDDEN)? Yes: MHA_CONV1D; CBAM. Open: MHA_LINEAR.\n" in text
    losses = planted(printed, cnn_hidden=2.0)
    text = report(printed, losses=losses).markdown
    assert "learns none (CNN_MAX; CNN_HIDDEN)? Yes: CBAM. No: MHA_LINEAR; MHA_CONV1D.\n" in text
    claims = judge(printed, histories_of(printed), losses).claims
    found = {it.hypothesis.group: it.outcome for it in claims}
    assert found["4a as stated"] == found["6 by attention"] == "holds"
    assert found["1 as stated"] == "open"
    for part, opening in (("as stated", ", as stated"), ("by attention", ". Due to attention")):
        told = re.search(rf"on these images.*?{opening} (.*?)\.", text)[1]
        for outcome, words in (("holds", "hold"), ("fails", "fail"), ("open", "are open")):
            which = ", ".join(it for it in CLAIMS if found[f"{it} {part}"] == outcome)
            assert (f"{words}: {which}" in told) == bool(which)


def test_a_claim_says_by_how_much_and_what_would_have_been_found(printed):
    losses = planted(printed)
    text = report(printed, losses=losses).markdown
    told = re.search(r"^\| 6\. .* \| (\S+) \| (\S+) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    assert told[1] == told[2] == "holds"
    means = losses.losses.mean(axis=(1, 2))
    assert "test loss: about the same as that of CNN (+0.0 [+0.0, +0.0] points); about" in told[3]
    assert means[3] / means[0] == pytest.approx(0.98, abs=0.02)
    assert told[3].count(" that of ") == 3 + 2
    apart = losses.losses[0, 0] - losses.losses[3, 0]
    # every seed has the same images, so each is a scene: the bootstrap of a mean of thirteen
    spread = (1.959964 + 0.841621) * apart.std() / 13**0.5
    assert float(told[4]) == pytest.approx(spread, rel=0.05)


def test_accuracy_stands_beside_a_loss_in_points_by_hand(printed):
    worse = losses_of(printed, cbam=-4.0)
    text = report(printed, losses=worse).markdown
    # six of thirteen images have a patch, which it no longer finds
    assert "times that of CNN (-46.2 [" in text
    assert (
        "is below that of CNN, MHA_LINEAR and MHA_CONV1D. | test loss: CNN − CBAM above 0 |" in text
    )


def test_where_no_loss_ever_rises_none_is_calmer(printed):
    histories = histories_of(printed)
    for table in histories.values():
        table["test_loss"] = 1 / table["epoch"]
    text = report(printed, histories).markdown
    assert "rise of the test loss: zero, like that of CNN; zero, like that of" in text
    claims = judge(printed, histories, planted(printed)).claims
    found = {it.hypothesis.group: it.outcome for it in claims}
    assert {
        found[f"{it} {part}"] for it in ("4b", "8") for part in ("as stated", "by attention")
    } == {"open"}
    assert found["3 as stated"] == "fails", "the last loss is the smallest"


def test_few_seeds_decide_nothing_and_the_page_says_so(everything):
    results = results_of(everything, PRINTED, num_seeds=5)
    text = report(results, losses=planted(results)).markdown
    assert (
        "as stated are open: 1, 2, 3, 4a, 4b, 5, 6, 7, 8. Due to attention are open: 2, 3" in text
    )
    assert "With fewer than 6 seeds nothing is decided." in text
    assert "| open | not asked here | test loss" in text, "there are no controls"
    assert text.count(" | nothing |\n") == len(CLAIMS)
    results = results_of(everything, PRINTED, num_seeds=6)
    text = report(results, losses=planted(results)).markdown
    assert " | nothing |\n" not in text
    assert "nothing is decided" not in text


def test_the_table_has_what_a_bootstrap_of_the_images_gives(printed):
    losses = planted(printed)
    row = re.search(
        r"^\| CBAM \| 12,345 \| .*$", report(printed, losses=losses).markdown, re.MULTILINE
    )
    loss, accuracy = row[0].split(" | ")[3:5]
    mean, low, high = map(float, re.findall(r"[0-9.]+", loss))
    images = losses.losses[3, 0]
    assert mean == pytest.approx(images.mean(), abs=1e-4)
    drawn = np.random.default_rng(1).choice(images, (20_000, 13)).mean(axis=1)
    assert (low, high) == pytest.approx(np.quantile(drawn, (0.025, 0.975)), rel=0.1, abs=0.02)
    assert accuracy == "0.923 [0.769, 1.000]"


def test_photographs_are_scenes_and_shared_images_are_their_own():
    each = {"logits": np.zeros((2, 3)), "labels": np.zeros((2, 3))}
    subjects = np.array([["sea", "sky", "sky"], ["sky", "sea", "sun"]])
    shared = {"a": each | {"rows": np.array([[7, 8, 9]] * 2)}}
    assert Losses.of(shared, subjects).images.scenes.tolist() == [7, 8, 9] * 2
    own = {"a": each | {"rows": np.array([[7, 8, 9], [8, 5, 6]])}}
    found = Losses.of(own, subjects).images
    assert found.scenes.tolist() == subjects.ravel().tolist()
    assert found.seeds.tolist() == [0, 0, 0, 1, 1, 1]


def test_the_page_says_what_no_data_can_change(printed):
    text = report(printed).markdown
    assert "class activation mapping (CAM" in text
    assert "cannot raise the separation" in text
    assert "Evidence cannot be compared" not in text, "no layer mixes places"
    printed.metrics["mha_conv1d"]["mixes_places"] = True
    text = report(printed).markdown
    assert "points best" not in text
    assert "that mixes places (MHA_CONV1D) a cell holds" in text
    assert "Behind the others (CNN; MHA_LINEAR; CBAM; CNN_MAX; CNN_HIDDEN) a cell" in text


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


def test_claims_are_json_with_their_numbers(printed):
    verdicts = judge(printed, histories_of(printed), planted(printed))
    found = json.loads(json.dumps(as_json(verdicts, printed.titles)))
    assert len(found) == 18
    assert len({it["id"] for it in found}) == 18
    assert list(dict.fromkeys(it["group"] for it in found)) == list(CLAIMS)
    (one,) = (it for it in found if it["id"] == "4a by attention")
    assert one["text"] == "The test loss of MHA_CONV1D is below that of every control."
    assert one["outcome"] == "holds"
    assert one["p"] < 0.05
    first, second = one["statements"]
    number = verdicts.measure(Quantity("loss", "cnn_max", "mha_conv1d"))
    assert first == {
        "measure": "loss",
        "variant": "cnn_max",
        "minus": "mha_conv1d",
        "less": None,
        "side": "above",
        "level": 0,
        "value": number.value,
        "low": number.low,
        "high": number.high,
        "detectable": number.detectable,
    }
    assert second["variant"] == "cnn_hidden"


def test_without_the_articles_variants_there_are_no_claims(results):
    assert judge(results, histories_of(results), losses_of(results)).claims == []
    assert "The article's claims" not in report(results).markdown


def test_the_sentences_fit_a_single_variant_and_a_single_seed(everything):
    text = report(results_of(everything, ["cnn"], num_seeds=1)).markdown
    assert "Was the article right" not in text
    assert "1 seed of each variant" in text
    assert "The value of a single seed." in text
    for clumsy in ("±", "1 seeds"):
        assert clumsy not in text


def test_the_articles_numbers_stand_beside_ours_by_hand(results):
    for seed, loss in (("0", 0.25), ("1", 0.75)):
        results.metrics["b"]["seeds"][seed]["min_test_loss"] = loss
    assert "Beside the article" not in report(results).markdown
    experiment = results.experiment.model_copy(update={"source": "stl10"})
    results.any_variant["images"]["stand_in"] = False
    text = report(replace(results, experiment=experiment)).markdown
    assert "| <b> | smallest test loss | 0.312 | 0.500 ± 0.35 | +0.19 | 1 of 2 |" in text


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
