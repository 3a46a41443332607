"""Sweeps: what params.yaml may ask for, and what the stage makes of it."""

import shutil
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from helpers.project import cells, load, run
from helpers.training import small
from numpy.testing import assert_allclose
from ruamel.yaml import YAML
from sklearn.metrics import roc_auc_score

from whitepatch import params, paths
from whitepatch.cells import worker
from whitepatch.cells.store import VARIABLE
from whitepatch.data.plan import plan
from whitepatch.errors import UserError
from whitepatch.params import Sweep
from whitepatch.stages import sweep as stage

pytestmark = pytest.mark.usefixtures("torch_as_before")

NAME = "tiny-cbam_spatial"
SIZES = [{"patch.size": 4, "patch.positions": 93}, {"patch.size": 16, "patch.positions": 81}]


def asked(**changes):
    content = {
        "experiment": "demo",
        "variants": ("cbam_spatial",),
        "seeds": (0, 1),
        "sets": {},
        "axes": {"size": tuple(SIZES)},
        "test": {},
    }
    return Sweep(**content | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiment": "none"}, ["sweeps.demo-size.experiment", "demo, photos", "'none'"]),
        (
            {"variants": ["resnet"]},
            ["sweeps.demo-size.variants", "'resnet' has no file", "take it out"],
        ),
        ({"axes": {"a": []}}, ["sweeps.demo-size.axes.a", "at least 1"]),
        ({"axes": {"a": [{}]}}, ["levels of the axis a must set the same keys"]),
        ({"axes": {"a": SIZES[:1] * 2}}, ["levels of the axis a must differ"]),
        ({"axes": {"a": [{"train.seeds": [1]}]}}, ["a: train.seeds is none of patch., pixels."]),
        ({"axes": {"a": [{"score.grid": 3}]}}, ["a: score.grid is none of"]),
        ({"test": {"a": [{"train.epochs": 3}]}}, ["a: train.epochs is none of patch., pixels."]),
        ({"axes": {"a": SIZES, "b": SIZES}}, ["b: another axis sets patch.positions, too"]),
        ({"axes": {"a": [{"patch.size": 17}]}}, ["demo-size: {'patch.size': 17}", "81 - 1 + 17"]),
        ({"test": {"a": [{"patch.size": 17}]}}, ["demo-size: {'patch.size': 17}", "93 - 1 + 17"]),
        ({"axes": {"a": [{"split.train.stop": 9}]}}, ["there is no section train here"]),
        ({"axes": {"a": [{"patch.size.x": 9}]}}, ["patch.size.x: there is no section size here"]),
        ({"axes": {"a": [{"patch.colour": 1}]}}, ["patch.colour", "Extra inputs"]),
        ({"axes": {"a": [{"train.epochs": "3"}]}}, ["train.epochs", "valid integer"]),
        ({"axes": {"a": [{"split.test": 400}, {"split.test": 300}]}}, ["as many test images"]),
        ({"sets": {"score.grid": 3}}, ["sets: score.grid is none of patch., pixels."]),
        ({"sets": {"patch.size": 3}}, ["size: another axis sets patch.size, too"]),
    ],
)
def test_what_is_impossible_is_refused_before_any_work(edited, changes, words):
    path = edited({f"sweeps.demo-size.{key}": value for key, value in changes.items()})
    with pytest.raises(UserError) as refused:
        params.load(path)
    assert "\n" not in str(refused.value)
    assert all(word in str(refused.value) for word in words), refused.value


def test_a_level_that_maps_would_bar_is_possible(everything):
    one = asked(axes={"size": ({"patch.positions": 1},)})
    (condition,) = one.trainings(everything.experiments["demo"])
    assert condition.experiment.patch.positions == 1


def test_every_combination_is_trained_and_tested(everything):
    one = asked(
        axes={"size": tuple(SIZES), "rate": ({"train.learning_rate": 0.1},)},
        test={"value": ({"patch.value": 0.5}, {"patch.value": 0.9})},
    )
    trainings = one.trainings(everything.experiments["demo"])
    assert [it.levels for it in trainings] == [it | {"train.learning_rate": 0.1} for it in SIZES]
    assert [it.experiment.patch.size for it in trainings] == [4, 16]
    assert all(it.experiment.train.seeds == (0, 1) for it in trainings)
    tests = one.tests(trainings[0])
    assert [it.levels for it in tests] == [{"patch.value": 0.5}, {"patch.value": 0.9}]
    assert [it.experiment.patch.value for it in tests] == [0.5, 0.9]
    assert all(it.experiment.patch.size == 4 for it in tests), "as it was trained"


@pytest.fixture
def swept(everything, tmp_path, monkeypatch):
    """Return a function that runs the stage on images of noise; what it trains is counted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cells"))
    trained = []
    train = worker.train

    def count(training, seed, *rest, **more):
        trained.append(seed)
        train(training, seed, *rest, **more)

    monkeypatch.setattr(worker, "train", count)
    here = small(everything)

    def sweep(**changes):
        trained.clear()
        update = {
            "sweeps": {NAME: asked(**changes)},
            "cells": here.cells.model_copy(update={"workers": 1}),
        }
        monkeypatch.setattr(stage, "load", lambda: here.model_copy(update=update))
        stage.main(NAME)
        table = pd.read_csv(paths.sweep(NAME))
        return table, np.load(paths.sweep(NAME).with_suffix(".npz")), list(trained)

    return sweep


def test_a_row_for_each_cell_and_condition_says_what_its_logits_say(swept):
    values = tuple({"patch.value": value} for value in (0.5, 0.9))
    table, arrays, trained = swept(test={"value": values})
    assert trained == [0, 1, 0, 1]
    assert list(table.columns) == [
        *("variant", "patch.size", "patch.positions", "test.patch.value", "seed", "epoch"),
        *("train_loss", "validation_loss", "test_accuracy", "test_auc", "test_loss"),
    ]
    assert len(table) == len(arrays["logits"]) == 8
    assert arrays["logits"].dtype == np.float32
    conditions = zip(table["patch.size"], table["seed"], table["test.patch.value"], strict=True)
    assert list(conditions) == [(s, i, v) for s in (4, 16) for i in (0, 1) for v in (0.5, 0.9)]
    for row, logits, labels in zip(
        table.itertuples(), arrays["logits"].astype(float), arrays["labels"], strict=True
    ):
        assert_allclose(row.test_accuracy, ((logits > 0) == labels).mean())
        assert_allclose(row.test_auc, roc_auc_score(labels, logits))
        loss = np.logaddexp(0, np.where(labels > 0, -logits, logits)).mean()
        assert_allclose(row.test_loss, loss, rtol=1e-6)


def test_a_picture_of_each_label_is_kept_for_each_training(swept, monkeypatch):
    photos = import_module("whitepatch.sources.photos")
    monkeypatch.setattr(photos, "drawable", lambda labels, _: [True] * len(labels))
    _, arrays, _ = swept()
    assert arrays["pictures"].shape == (2, 2, 3, 96, 96)
    assert arrays["shows"].shape == arrays["rows"].shape
    for size, (clean, patched) in zip((4, 16), arrays["pictures"], strict=True):
        white = (patched == 255).all(axis=0)
        assert white.any(axis=0).sum() >= size
        assert white.any(axis=1).sum() >= size
        assert (clean != patched).any()
    monkeypatch.setattr(photos, "drawable", lambda labels, _: [False] * len(labels))
    assert (swept()[1]["pictures"] == 128).all(), "none may be shown"


def test_the_plan_of_the_test_is_that_of_its_levels(swept, everything):
    _, arrays, _ = swept(test={"seed": ({"patch.seed": 10}, {"patch.seed": 11})})
    patch = everything.experiments["demo"].patch
    for place, seed in enumerate((10, 11)):
        changed = patch.model_copy(update={"seed": seed, "size": 4, "positions": 93})
        names = [("train", row, 0) for row in arrays["rows"][place].tolist()]
        assert (arrays["labels"][place] == plan(names, changed, 5).labels).all()
    assert (arrays["labels"][0] != arrays["labels"][1]).any()


def test_another_level_trains_that_level_alone_and_an_axis_of_the_test_none(swept):
    first, _, _ = swept(axes={"size": tuple(SIZES[:1])})
    more, _, trained = swept()
    assert trained == [0, 1], "of the second level"
    assert more.head(2).equals(first)
    _, _, trained = swept(test={"value": ({"patch.value": 0.5},)})
    assert trained == []


def test_a_sweep_over_nothing_is_the_experiment_itself(swept):
    table, _, trained = swept(axes={}, seeds=(3,))
    assert trained == [3]
    assert list(table.columns[:3]) == ["variant", "seed", "epoch"]


def test_several_variants_are_trained_on_what_all_levels_share(swept, everything):
    more = {"variants": ("cnn", "cbam"), "sets": {"patch.value": 0.5}, "axes": {}}
    table, _, trained = swept(**more)
    assert table["variant"].tolist() == ["cnn", "cnn", "cbam", "cbam"]
    assert trained == [0, 1, 0, 1]
    assert "patch.value" not in table
    (condition,) = asked(**more).trainings(everything.experiments["demo"])
    assert condition.experiment.patch.value == 0.5


def test_a_test_with_one_answer_alone_has_no_auc(swept):
    table, _, _ = swept(test={"who": ({"patch.probability": 0.0}, {"patch.probability": 1.0})})
    assert table["test_auc"].isna().all()
    assert table["test_accuracy"].between(0, 1).all()


@pytest.mark.pipeline
def test_dvc_makes_a_sweep_from_the_cells_that_are_there(made, tmp_path):
    folder = shutil.copytree(made, tmp_path.resolve() / "copy")
    shutil.copytree(cells(made.with_name("making")), cells(folder))

    def finished():
        return {path.name for path in cells(folder).glob("*.safetensors")}

    def sweep():
        status, said = run(folder, "dvc", "repro", "sweep@demo-size")
        assert status == 0, said
        return pd.read_csv(folder / "reports/sweeps/demo-size.csv")

    before = finished()
    table = sweep()
    assert len(finished() - before) == 2, "size 4; size 16 is the experiment itself"
    history = pd.read_csv(folder / "reports/tiny/history/cnn.csv")
    mine = table[(table["patch.size"] == 16) & (table["seed"] == 1)].iloc[0]
    known = history[(history["seed"] == 1) & (history["epoch"] == mine["epoch"])].iloc[0]
    assert mine["validation_loss"] == known["validation_loss"]
    assert run(folder, "dvc", "status", "sweep@demo-size")[1].startswith(
        "Data and pipelines are up"
    )
    text = (folder / "params.yaml").read_text()
    params = load(folder / "params.yaml")
    axes = params["sweeps"]["demo-size"]["axes"]
    axes["size"].append({"patch.size": 8, "patch.positions": 89})
    YAML().dump(params, folder / "params.yaml")
    assert (folder / "params.yaml").read_text() != text
    before = finished()
    for part in ("1/2", "2/2"):  # as jobs on other machines would
        status, said = run(folder, "whitepatch", "train", "demo-size", "--cells", part)
        assert status == 0, said
    after = finished()
    assert len(after - before) == 2
    assert sweep().head(len(table)).equals(table)
    assert finished() == after
