"""Where the store is, what is wrong with it, and what mends it."""

import warnings

import pytest
from helpers.published import run

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.tracking import store, trouble
from whitepatch.tracking.address import tracking_uri
from whitepatch.tracking.publishing import publish

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own imports
    store.quiet()
    from mlflow import MlflowClient


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("[Errno 28] No space left on device", "free some space"),
        ("attempt to write a readonly database", "let it be written by you"),
        ("unable to open database file", "let it be written by you"),
        ("no such table: runs", "rm -r mlflow"),
        ("Can't locate revision identified by '1a'", "rm -r mlflow"),
        ("database is locked", "wait for whoever else writes to it"),
    ],
)
def test_what_mends_the_own_store(said, cure):
    assert trouble.cure(OSError(said)) == cure


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("API request failed with 401", "MLFLOW_TRACKING_PASSWORD"),
        ("403 Forbidden", "MLFLOW_TRACKING_PASSWORD"),
        ("connection refused", "unset MLFLOW_TRACKING_URI"),
        ("no such table: runs", "unset MLFLOW_TRACKING_URI"),
    ],
)
def test_what_mends_a_server(monkeypatch, said, cure):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert cure in trouble.cure(OSError(said))


def test_a_store_that_was_moved_is_refused_with_the_cure(tmp_path, monkeypatch):
    publish("ours", {}, [run("a")])
    (tmp_path / "moved").mkdir()
    paths.MLFLOW.rename(tmp_path / "moved/mlflow")
    monkeypatch.chdir(tmp_path / "moved")
    with pytest.raises(UserError, match=r"made in another folder .*: rm -r mlflow, then: white"):
        publish("ours", {}, [run("a")])


@pytest.mark.parametrize("sign", ["?", "%", "'\""])
def test_a_folder_that_mlflow_cannot_name_is_refused(tmp_path, monkeypatch, sign):
    (tmp_path / sign).mkdir()
    monkeypatch.chdir(tmp_path / sign)
    with pytest.raises(UserError, match=r"with \? or %, .*move the project"):
        publish("ours", {}, [run("a")])
    assert not list(paths.MLFLOW.rglob("*.db"))


def test_an_experiment_that_somebody_deleted_comes_back():
    publish("ours", {"question": "why"}, [run("a")])
    client = MlflowClient(tracking_uri())
    experiment_id = client.get_experiment_by_name("ours").experiment_id
    client.delete_experiment(experiment_id)
    assert publish("ours", {"question": "why"}, [run("a")])["unchanged"] == 1
    assert client.get_experiment(experiment_id).lifecycle_stage == "active"


def test_of_two_who_make_an_experiment_at_once_both_have_it(monkeypatch):
    publish("ours", {}, [run("a")])
    find, asked = MlflowClient.get_experiment_by_name, []

    def too_early(self, name):
        asked.append(name)
        return None if len(asked) == 1 else find(self, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", too_early)
    client = store.client()
    assert store.experiment(client, "ours", {}) == find(client, "ours").experiment_id
    assert asked == ["ours", "ours"]
