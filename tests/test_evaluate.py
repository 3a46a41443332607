"""Evaluations of networks that nobody trained, of images of noise."""

import json
import os
import signal
import time

import numpy as np
import psutil
import pytest
from helpers.training import EPOCHS, small

from whitepatch import params, paths
from whitepatch.errors import UserError
from whitepatch.files import write_json, write_text
from whitepatch.maps.scores import SCORES
from whitepatch.models.classifier import build
from whitepatch.stages import evaluate
from whitepatch.training import history, weights
from whitepatch.training.loop import Trained

pytestmark = pytest.mark.usefixtures("torch_as_before")

VARIANT, SEEDS = "mha_conv1d", (0, 1)
COMMON = (
    *("trunk Grad-CAM", "trunk HiResCAM", "trunk gradient", "trunk length"),
    *("input gradient", "attention effective", "value norm"),
)


@pytest.fixture
def workers(edited, tmp_path, monkeypatch):
    """Stand where networks are to be evaluated; return what sets how many at once."""
    monkeypatch.chdir(tmp_path)
    demo = "experiments.demo"
    changes = {
        f"{demo}.runtime.threads": 1,
        f"{demo}.runtime.device": "cpu",
        f"{demo}.split": {"folds": 3, "train": 12, "validation": 5, "test": 7},
        f"{demo}.train.seeds": list(SEEDS),
        f"{demo}.train.epochs": EPOCHS,
        f"{demo}.score": {"first": 1, "images": 3, "panel": 2, "movers": 1, "grid": 2},
    }

    def at_once(number):
        edited(changes | {"cells.workers": number})

    at_once(1)
    experiment = small(params.load(), seeds=SEEDS).experiment("demo")
    write_json(paths.origin("demo"), {"words": "noise", "stand_in": True})
    row = {"train_loss": 0.5, "validation_loss": 0.5, "test_loss": 0.5}
    trained = {}
    for seed in SEEDS:
        best = build(VARIANT, seed + 7).state_dict()
        epochs = [build(VARIANT, it).state_dict() for it in range(EPOCHS)] if seed == 0 else None
        trained[seed] = Trained([row] * EPOCHS, best, epochs, {"device": "cpu"})
    weights.write("demo", VARIANT, trained, experiment.train.choose)
    write_text(paths.history("demo", VARIANT), history.table({s: [row] * EPOCHS for s in SEEDS}))
    return at_once


def written():
    found = np.load(paths.maps("demo", VARIANT))
    return paths.metrics("demo", VARIANT).read_bytes(), {key: found[key] for key in found.files}


def test_so_many_seeds_at_once_give_the_same_bytes(workers):
    evaluate.main("demo", VARIANT)
    metrics, arrays = written()
    workers(2)
    evaluate.main("demo", VARIANT)
    again, same = written()
    assert metrics == again
    assert list(arrays) == list(same)
    for key, values in arrays.items():
        np.testing.assert_array_equal(values, same[key], err_msg=key)

    found = json.loads(metrics)
    assert found["mixes_places"] is True
    assert list(found["seeds"]) == ["0", "1"]
    patched = ~np.isnan(arrays["score/evidence/auc"][1])
    for seed in found["seeds"].values():
        it = seed["attributions"]
        assert set(it["trained"]) == {*COMMON, "input IG grey", "input IG black"}
        assert set(it["untrained"]) == {*COMMON, "input IG grey"}
        assert set(it["redrawn"]) == set(COMMON)
        assert set(it["completeness"]) == {"grey", "black"}
        assert all(
            set(x) == set(SCORES) for who in ("trained", "redrawn") for x in it[who].values()
        )
    scores = arrays["score/trunk length/mass"][1]
    mean = found["seeds"]["1"]["attributions"]["trained"]["trunk length"]["mass"]
    assert scores[patched].mean() == pytest.approx(mean)
    assert np.isnan(scores[~patched]).all()
    # the next seed's untrained network is the one that is drawn anew
    maps = [found["seeds"][seed]["attributions"] for seed in "01"]
    assert maps[0]["redrawn"]["trunk length"] != maps[0]["untrained"]["trunk length"]
    assert not any(key.startswith("map/trunk") for key in arrays), "too large to keep"


def test_decisions_on_the_first_patched_pictures_alone_are_attributed(workers, monkeypatch):
    workers(1)
    monkeypatch.setattr(evaluate, "ATTRIBUTED", 1)
    evaluate.main("demo", VARIANT)
    metrics, arrays = written()
    for place, seed in enumerate(json.loads(metrics)["seeds"].values()):
        scored = ~np.isnan(arrays["score/trunk length/auc"][place])
        patched = np.flatnonzero(~np.isnan(arrays["score/evidence/auc"][place]))
        assert np.flatnonzero(scored).tolist() == patched[:1].tolist()
        assert seed["attributions"]["num_pictures"] == len(patched[:1])


def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def wrong(_name, _variant, seed):
    if seed:
        raise UserError("wrong")
    time.sleep(60)


@pytest.mark.parametrize(
    ("fault", "words"),
    [(killed, "one of 2 evaluations was killed, most likely for want of memory"), (wrong, "wrong")],
)
def test_what_ends_one_ends_all(monkeypatch, fault, words):
    monkeypatch.setattr(evaluate, "evaluate_seed", fault)
    begun = time.monotonic()
    with pytest.raises(UserError, match=words):
        evaluate._at_once("demo", VARIANT, SEEDS, 2)
    assert time.monotonic() - begun < 50
    assert not [x for x in psutil.Process().children() if "spawn_main" in " ".join(x.cmdline())]


def test_what_a_picture_costs_is_counted_by_hand():
    convolutions = sum(
        side**2 * 32 * channels * 25 for side, channels in ((96, 3), (48, 32), (24, 32))
    )
    projections = 4 * 576 * 32 * 32
    attention = 2 * 4 * 576 * 576 * 8
    assert evaluate.megaflops(build("cnn", 0)) == round(2 * (convolutions + 32) / 1e6, 1)
    counted = 2 * (convolutions + 32 + projections + attention) / 1e6
    assert evaluate.megaflops(build("mha_linear_tokens", 0)) == round(counted, 1)
