"""Runs in MLflow's own SQLite store."""

import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.published import PICTURES, chosen, contents, found, network, run, steps

from whitepatch import paths, programs
from whitepatch.errors import UserError
from whitepatch.tracking import store
from whitepatch.tracking.naming import ALIAS
from whitepatch.tracking.publishing import publish, written
from whitepatch.tracking.store import COMPLETE, KEY, OWNER

NOTHING = {"written": 0, "unchanged": 0, "removed": 0, "left": 0}


def pictures():
    return [path.read_bytes() for path in Path().rglob("map.png")]


def test_a_run_shows_what_it_was_given():
    tags = {"mlflow.note.content": "a question"}
    assert publish("ours", tags, [run("a")]) == NOTHING | {"written": 1}
    client, runs = found()
    shown = runs["a"]
    assert shown.info.run_name == "name of a"
    assert shown.info.status == "FINISHED"
    assert shown.data.params == {"epochs": "3"}
    assert shown.data.metrics == {"score auc/evidence": 0.25, "train_loss": 0.5}
    assert steps(client, shown, "train_loss") == [(1, 0.9), (2, 0.5)]
    assert shown.data.tags["variant"] == "a"
    assert [data.dataset.digest for data in shown.inputs.dataset_inputs] == ["abc"]
    assert pictures() == [b"picture of a"]
    assert client.get_experiment_by_name("ours").tags["mlflow.note.content"] == "a question"


def test_twice_changes_nothing_what_changed_replaces_what_is_gone_goes_and_others_stay():
    publish("ours", {}, [run("a"), run("b"), run("c")])
    client, first = found()
    stranger = client.create_run(first["a"].info.experiment_id, run_name="by hand").info.run_id
    before = contents()
    assert publish("ours", {}, [run("a"), run("b"), run("c")]) == NOTHING | {"unchanged": 3}
    assert contents() == before
    again = publish("ours", {}, [run("a"), run("b", digest="2", loss=0.25)])
    assert again == NOTHING | {"written": 1, "unchanged": 1, "removed": 2}
    _, second = found()
    assert second.keys() == {"a", "b"}
    assert second["a"].info.run_id == first["a"].info.run_id
    assert second["b"].data.metrics["train_loss"] == 0.25
    assert sorted(pictures()) == [b"picture of a", b"picture of b"]
    assert client.get_run(stranger).info.lifecycle_stage == "active"


@pytest.mark.parametrize("status", ["RUNNING", "FINISHED"])
def test_what_a_training_showed_or_a_publish_left_half_written_is_replaced(status):
    publish("ours", {}, [run("a")])
    client, runs = found()
    tags = {KEY: "b", OWNER: store.clone()}
    half = client.create_run(runs["a"].info.experiment_id, tags=tags).info.run_id
    client.set_terminated(half, status)
    client.set_tag(runs["a"].info.run_id, COMPLETE, "no")
    both = [run("a"), run("b")]
    assert publish("ours", {}, both) == NOTHING | {"written": 2, "removed": 2}
    assert client.get_run(half).info.lifecycle_stage == "deleted"
    assert publish("ours", {}, both) == NOTHING | {"unchanged": 2}


def test_a_process_killed_while_it_makes_the_store_leaves_nothing_in_the_way():
    file = paths.MLFLOW / "mlflow.db"
    half = file.stat().st_size / 2
    file.unlink()
    code = "from whitepatch.tracking import store; store.client().search_experiments()"
    with subprocess.Popen([sys.executable, "-c", code], env=programs.environment()) as process:
        while not any(found.stat().st_size > half for found in paths.MLFLOW.rglob("mlflow.db")):
            time.sleep(0.001)
        process.kill()
    assert publish("ours", {}, [run("a")]) == NOTHING | {"written": 1}


@pytest.fixture
def clones(tables, tmp_path, monkeypatch):
    """Return a function that stands in a clone of the project; all publish to one store."""
    (tmp_path / "team").mkdir()
    shutil.copy(tables, tmp_path / "team/t.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/team/t.db")

    def stand(name):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)

    return stand


def test_what_another_clone_published_is_never_touched(clones, tmp_path):
    clones("hers")
    publish("ours", {}, [run("a", model=chosen()), run("b"), run("c")])
    client, runs = found()
    hers = {shown.info.run_id for shown in runs.values()}
    clones("his")
    # other parameters, and a variant less
    his = [run("a", digest="2", model=chosen()), run("b")]
    assert publish("ours", {}, his) == NOTHING | {"written": 1, "unchanged": 1, "left": 2}
    his = [run("a", digest="3", model=chosen()), run("b")]
    again = publish("ours", {}, his)
    assert again == NOTHING | {"written": 1, "unchanged": 1, "removed": 1, "left": 2}
    left = written(client, runs["a"].info.experiment_id)
    assert {shown.info.run_id for shown in left} > hers
    assert len(left) == len(list((tmp_path / "team/artifacts/ours").rglob("map.png"))) == 4
    assert client.get_model_version_by_alias("ours", ALIAS).run_id in hers


def test_a_copied_folder_is_another_clone(clones, tmp_path):
    clones("hers")
    publish("ours", {}, [run("a")])
    shutil.copytree(tmp_path / "hers", tmp_path / "copy")
    clones("copy")
    assert publish("ours", {}, [run("a", digest="2")]) == NOTHING | {"written": 1, "left": 1}


def test_a_model_is_loaded_by_its_alias_and_predicts_the_same_without_our_code(monkeypatch):
    publish("ours", {}, [run("a", model=chosen())])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri())
    monkeypatch.setitem(sys.modules, "whitepatch", None)  # what imports it fails
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow and torch
        import mlflow.pytorch

        model = mlflow.pytorch.load_model("models:/ours@chosen")
    with torch.inference_mode():
        pictures = torch.from_numpy(PICTURES)
        np.testing.assert_array_equal(model(pictures).numpy(), network()(pictures).numpy())
    kept = {path.suffix for path in paths.MLFLOW.joinpath("artifacts").rglob("*")}
    assert kept.isdisjoint({".pkl", ".pth"}), "no pickle"


def test_what_replaces_a_run_takes_its_alias_and_only_what_others_registered_stays():
    publish("ours", {}, [run("a", model=chosen()), run("b")])
    client, runs = found()
    publish("ours", {}, [run("a", digest="2"), run("b", digest="2", model=chosen("b"))])
    experiment_id, here = runs["a"].info.experiment_id, found()[1]["b"].info.run_id
    (version,) = client.search_model_versions("name = 'ours'")
    assert version.run_id == client.get_model_version_by_alias("ours", ALIAS).run_id == here
    (logged,) = client.search_logged_models([experiment_id])
    assert logged.source_run_id == here
    assert len(list(paths.MLFLOW.rglob("model.pt2"))) == 1
    client.create_registered_model("prod")
    client.create_model_version("prod", logged.artifact_location, here)
    publish("ours", {}, [run("a", digest="2"), run("b", digest="3", model=chosen("b"))])
    assert client.get_model_version("prod", "1").source == logged.artifact_location
    assert [int(one.version) for one in client.search_model_versions("name = 'ours'")] == [3]
    assert len(list(paths.MLFLOW.rglob("model.pt2"))) == 2


def test_an_experiment_that_was_deleted_by_hand_comes_back():
    publish("ours", {"question": "why"}, [run("a")])
    client, runs = found()
    client.delete_experiment(runs["a"].info.experiment_id)
    assert publish("ours", {"question": "why"}, [run("a")])["unchanged"] == 1


SERVER = "; see to that server, or unset MLFLOW_TRACKING_URI, then: whitepatch publish"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://127.0.0.1:9", "MLflow at http://127.0.0.1:9 could not be written: "),
        ("http://me:hunter2@127.0.0.1:9/x@y", "MLflow at http://127.0.0.1:9/x@y could"),
        ("http://127.0.0.1:9/?token=hunter2", "MLflow at http://127.0.0.1:9/ could"),
        ("http://me:hunter2@[bad", "MLflow at http://[bad could"),
        ("postgresql://db/x?user=me&password=hunter2", "MLflow at postgresql://db/x could"),
        ("sqlite:////proc/nowhere/t.db", "MLflow at sqlite:////proc/nowhere/t.db could"),
    ],
)
def test_trouble_with_a_server_is_one_line_with_the_cure_and_no_secret(monkeypatch, uri, shown):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError) as refused:
        publish("ours", {}, [run("a")])
    said = str(refused.value)
    assert said.startswith(shown)
    assert said.endswith(SERVER)
    assert "hunter2" not in said


def of_another_version():
    with closing(sqlite3.connect(paths.MLFLOW / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")  # of 2019


@pytest.mark.parametrize(
    "harm",
    [
        of_another_version,
        lambda: (paths.MLFLOW / "mlflow.db").write_bytes(b"no store of MLflow's" * 999),
    ],
)
def test_trouble_with_the_own_store_is_one_line_with_the_cure(harm):
    harm()
    with pytest.raises(UserError, match=r"^MLflow at sqlite:.*: rm -r mlflow, then: white.*\Z"):
        publish("ours", {}, [run("a")])


def test_a_store_that_was_moved_is_refused_with_the_cure(tmp_path, monkeypatch):
    publish("ours", {}, [run("a")])
    (tmp_path / "moved").mkdir()
    paths.MLFLOW.rename(tmp_path / "moved/mlflow")
    monkeypatch.chdir(tmp_path / "moved")
    with pytest.raises(UserError, match=r"made in another folder .*: rm -r .*/mlflow, then: white"):
        publish("ours", {}, [run("a")])
