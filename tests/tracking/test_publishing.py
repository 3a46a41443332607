"""Runs in MLflow's own SQLite store."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from filelock import FileLock
from helpers.published import PICTURES, chosen, network, run

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.tracking import store, writing
from whitepatch.tracking.address import shown_uri, tracking_uri
from whitepatch.tracking.naming import ALIAS
from whitepatch.tracking.publishing import publish
from whitepatch.tracking.seeds import Seed, run_of
from whitepatch.tracking.store import COMPLETE, IDENTITY, KEY, LIVE, TRAINING
from whitepatch.tracking.trouble import reason

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own imports
    store.quiet()
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunTag
    from mlflow.exceptions import MlflowException

NOTHING = {"written": 0, "adopted": 0, "unchanged": 0, "removed": 0, "left": 0}


def found(experiment="ours"):
    client = MlflowClient(tracking_uri())
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    return client, {run.data.tags[KEY]: run for run in client.search_runs([experiment_id])}


def test_a_run_shows_what_it_was_given(tmp_path):
    tags = {"mlflow.note.content": "a question"}
    assert publish("ours", tags, [run("a")]) == NOTHING | {"written": 1}
    client, runs = found()
    shown = runs["a"]
    assert shown.info.run_name == "name of a"
    assert shown.info.status == "FINISHED"
    assert shown.data.params == {"epochs": "3"}
    assert shown.data.metrics == {"score auc/evidence": 0.25, "train_loss": 0.5}
    steps = client.get_metric_history(shown.info.run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in steps] == [(1, 0.9), (2, 0.5)]
    assert shown.data.tags["variant"] == "a"
    assert [data.dataset.digest for data in shown.inputs.dataset_inputs] == ["abc"]
    artifacts = list((tmp_path / "mlflow" / "artifacts").rglob("map.png"))
    assert [path.read_bytes() for path in artifacts] == [b"picture of a"]


def test_twice_writes_nothing_and_what_changed_replaces(tmp_path):
    publish("ours", {}, [run("a"), run("b")])
    first = {key: shown.info.run_id for key, shown in found()[1].items()}
    again = publish("ours", {}, [run("a"), run("b", digest="2", loss=0.25)])
    assert again == NOTHING | {"written": 1, "unchanged": 1, "removed": 1}
    second = found()[1]
    assert second["a"].info.run_id == first["a"]
    assert second["b"].info.run_id != first["b"]
    assert second["b"].data.metrics["train_loss"] == 0.25
    assert len(list((tmp_path / "mlflow" / "artifacts").rglob("map.png"))) == 2


def test_nothing_to_do_needs_no_mlflow_and_any_doubt_asks_it(tmp_path, monkeypatch):
    publish("ours", {}, [run("a"), run("b")])

    def asked():
        raise UserError("MLflow was asked")

    monkeypatch.setattr(store, "client", asked)
    assert publish("ours", {}, [run("a"), run("b")])["unchanged"] == 2
    with pytest.raises(UserError, match="MLflow was asked"):
        publish("ours", {"mlflow.note.content": "another question"}, [run("a"), run("b")])
    for runs in ([run("a")], [run("a"), run("b", digest="2")], [run("a"), run("b"), run("c")]):
        with pytest.raises(UserError, match="MLflow was asked"):
            publish("ours", {}, runs)
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"")
    with pytest.raises(UserError, match="MLflow was asked"):
        publish("ours", {}, [run("a"), run("b")])


def test_what_is_gone_goes_and_strangers_stay():
    publish("ours", {}, [run("a"), run("b")])
    publish("theirs", {}, [run("c")])
    client, runs = found()
    stranger = client.create_run(runs["a"].info.experiment_id, run_name="by hand")
    assert publish("ours", {}, [run("a")])["removed"] == 1
    left = client.search_runs([runs["a"].info.experiment_id])
    assert {shown.info.run_name for shown in left} == {"name of a", "by hand"}
    assert stranger.info.run_id in {shown.info.run_id for shown in left}
    assert set(found("theirs")[1]) == {"c"}


@pytest.fixture
def clones(tmp_path, monkeypatch):
    """Return a function that stands in a clone of the project; all publish to one store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/team/t.db")
    (tmp_path / "team").mkdir()

    def stand(name):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)

    return stand


def test_what_another_clone_published_is_never_touched(clones, tmp_path):
    clones("hers")
    publish("ours", {}, [run("a", model=chosen()), run("b"), run("c")])
    hers = {key: shown.info.run_id for key, shown in found()[1].items()}
    clones("his")
    # other parameters, and a variant less
    his = [run("a", digest="2", model=chosen()), run("b")]
    assert publish("ours", {}, his) == NOTHING | {"written": 1, "unchanged": 1, "left": 2}
    client = MlflowClient(tracking_uri())
    assert client.get_model_version_by_alias("ours", ALIAS).run_id == hers["a"]
    his = [run("a", digest="3", model=chosen()), run("b")]
    again = publish("ours", {}, his)
    assert again == NOTHING | {"written": 1, "unchanged": 1, "removed": 1, "left": 2}
    left = client.search_runs([client.get_experiment_by_name("ours").experiment_id])
    assert {run.info.run_id for run in left} >= set(hers.values())
    assert len(left) == 4
    assert len(list((tmp_path / "team/artifacts/ours").rglob("map.png"))) == 4
    clones("hers")
    assert publish("ours", {}, [run("a", model=chosen()), run("b")])["removed"] == 1
    assert client.get_model_version_by_alias("ours", ALIAS).run_id == hers["a"]


def test_a_copied_folder_is_another_clone(clones, tmp_path):
    clones("hers")
    publish("ours", {}, [run("a")])
    shutil.copytree(tmp_path / "hers", tmp_path / "copy")
    clones("copy")
    assert publish("ours", {}, [run("a", digest="2")]) == NOTHING | {"written": 1, "left": 1}


def test_a_run_that_was_not_finished_is_written_again():
    publish("ours", {}, [run("a")])
    client, runs = found()
    client.log_batch(runs["a"].info.run_id, tags=[RunTag(COMPLETE, "no")])
    assert publish("ours", {}, [run("a")]) == NOTHING | {"written": 1, "removed": 1}


def test_a_store_that_cannot_be_reached_is_one_line_with_the_cure(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^MLflow at http://127\.0\.0\.1:9 .*whitepatch publish$"):
        publish("ours", {}, [run("a")])


def test_a_password_in_the_address_is_not_printed(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9/x@y")
    assert shown_uri() == "http://127.0.0.1:9/x@y"
    error = reason(ValueError("GET http://me:secret@127.0.0.1:9/x@y/api\nfailed"))
    assert error == "GET http://127.0.0.1:9/x@y/api failed"
    assert reason(ValueError()) == "ValueError"


def test_a_model_is_loaded_by_its_alias_and_predicts_the_same_without_our_code(
    tmp_path, monkeypatch
):
    publish("ours", {}, [run("a", model=chosen())])
    np.save(tmp_path / "pictures.npy", PICTURES)
    program = """
import sys, warnings; warnings.simplefilter("ignore")
sys.modules["whitepatch"] = None
import mlflow, numpy, torch
model = mlflow.pytorch.load_model("models:/ours@chosen")
numpy.save("logits.npy", model(torch.from_numpy(numpy.load("pictures.npy"))).detach().numpy())
"""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    subprocess.run([sys.executable, "-c", program], check=True)
    with torch.inference_mode():
        ours = network()(torch.from_numpy(PICTURES)).numpy()
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), ours)
    kept = {path.suffix for path in (tmp_path / "mlflow" / "artifacts").rglob("*")}
    assert kept.isdisjoint({".pkl", ".pth"}), "no pickle"


def registry():
    client = MlflowClient(tracking_uri())
    versions = client.search_model_versions("name = 'ours'")
    return client, {int(version.version): version.run_id for version in versions}


def models_of(client):
    found = client.get_experiment_by_name("ours").experiment_id
    return [model.source_run_id for model in client.search_logged_models([found])]


def test_what_replaces_a_run_takes_its_alias_and_nothing_of_the_old_one_stays(tmp_path):
    publish("ours", {}, [run("a", model=chosen()), run("b")])
    (first,) = registry()[1].values()
    assert publish("ours", {}, [run("a"), run("b", digest="2", model=chosen("b"))])["removed"] == 1
    # run a has the same digest, so it stays; a digest must know of the model
    publish("ours", {}, [run("a", digest="2"), run("b", digest="2", model=chosen("b"))])
    client, versions = registry()
    runs = found()[1]
    assert list(versions.values()) == [runs["b"].info.run_id] != [first]
    (version,) = versions
    assert int(client.get_model_version_by_alias("ours", ALIAS).version) == version
    assert models_of(client) == [runs["b"].info.run_id]
    assert len(list((tmp_path / "mlflow" / "artifacts").rglob("model.pt2"))) == 1


def test_a_half_written_model_goes_and_an_alias_that_is_gone_comes_back():
    publish("ours", {}, [run("a", model=chosen())])
    client, runs = found()
    client.log_batch(runs["a"].info.run_id, tags=[RunTag(COMPLETE, "no")])
    assert publish("ours", {}, [run("a", model=chosen())])["removed"] == 1
    assert len(registry()[1]) == len(models_of(client)) == 1
    client.delete_registered_model_alias("ours", ALIAS)
    publish("ours", {}, [run("a", model=chosen()), run("b")])
    assert client.get_model_version_by_alias("ours", ALIAS).run_id == found()[1]["a"].info.run_id


def live(key, training, status, host="elsewhere:1"):
    """Begin a run as a training does that shows itself."""
    client = MlflowClient(tracking_uri())
    experiment_id = store.experiment(client, "ours", {})
    tags = {KEY: key, LIVE: host, TRAINING: training, IDENTITY: "hash"}
    run_id = client.create_run(experiment_id, run_name="live", tags=tags).info.run_id
    metrics = [Metric("train_loss", 0.9, 5, 1), Metric("images_per_second", 70.0, 5, 1)]
    client.log_batch(run_id, metrics=metrics)
    if status != "RUNNING":
        client.set_terminated(run_id, status)
    return run_id


def test_a_training_that_was_shown_while_it_ran_is_adopted():
    run_id = live("a", "digest of a", "FINISHED")
    count = publish("ours", {}, [run("a", training="digest of a")])
    assert count == NOTHING | {"adopted": 1}
    client, runs = found()
    shown = runs["a"]
    assert shown.info.run_id == run_id
    assert shown.data.metrics["images_per_second"] == 70.0, "what only the training knew stays"
    steps = client.get_metric_history(run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in steps] == [(1, 0.9), (2, 0.5)]
    assert publish("ours", {}, [run("a", training="digest of a")]) == NOTHING | {"unchanged": 1}


def test_another_training_is_replaced_but_never_one_that_is_running():
    live("a", "digest of another", "KILLED", "elsewhere:2")
    running = live("b", "digest of another", "RUNNING")
    runs = [run("a", training="digest of a"), run("b", training="digest of b")]
    assert publish("ours", {}, runs) == NOTHING | {"written": 2, "removed": 1}
    client = MlflowClient(tracking_uri())
    assert client.get_run(running).info.lifecycle_stage == "active"
    # of this machine we know better: there is no such process any more
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    client.set_tag(running, LIVE, store.me(int(ended.stdout)))
    assert publish("ours", {}, runs) == NOTHING | {"unchanged": 2, "removed": 1}


def test_of_a_training_that_is_going_on_no_seed_goes_though_others_results_are_published():
    done = live("a", "digest of another", "FINISHED")
    going_on = live("b", "digest of another", "RUNNING")
    assert publish("ours", {}, [run("a"), run("b")]) == NOTHING | {"written": 2}
    client = MlflowClient(tracking_uri())
    client.set_terminated(going_on, "KILLED")
    assert publish("ours", {}, [run("a"), run("b")]) == NOTHING | {"unchanged": 2, "removed": 2}
    assert client.get_run(done).info.lifecycle_stage == "deleted"


def test_of_a_run_that_was_deleted_by_hand_no_model_stays():
    runs = [run("a", model=chosen()), run("b")]
    publish("ours", {}, runs)
    client, there = found()
    gone = there["a"].info.run_id
    client.delete_run(gone)
    assert publish("ours", {}, runs) == NOTHING | {"written": 1, "unchanged": 1, "removed": 1}
    here = found()[1]["a"].info.run_id
    assert list(registry()[1].values()) == models_of(client) == [here] != [gone]
    assert client.get_model_version_by_alias("ours", ALIAS).run_id == here
    # and what is restored then is known to be nothing
    client.restore_run(gone)
    assert publish("ours", {}, runs) == NOTHING | {"unchanged": 2, "removed": 1}


def test_who_publishes_beside_another_waits_and_says_so(capfd):
    paths.MLFLOW.mkdir()
    waiting = Thread(target=publish, args=("ours", {}, [run("a")]))
    with FileLock(paths.MLFLOW / "publish.lock"):
        waiting.start()
        said, deadline = "", time.monotonic() + 60
        while "waiting for another" not in said and time.monotonic() < deadline:
            said += capfd.readouterr().err
            time.sleep(0.01)
        assert not (paths.MLFLOW / "mlflow.db").exists()
    waiting.join()
    assert "publish: waiting for another that is at work here" in said
    assert set(found()[1]) == {"a"}


def test_of_two_that_published_the_same_at_once_one_stays():
    publish("ours", {}, [run("a", model=chosen())])
    client, runs = found()
    experiment_id = runs["a"].info.experiment_id
    # as another machine does at the same moment
    twin = client.create_run(experiment_id, tags=dict(runs["a"].data.tags)).info.run_id
    assert publish("ours", {}, [run("a", model=chosen()), run("b")])["removed"] == 1
    assert {shown.info.run_id for shown in found()[1].values()} == {
        runs["a"].info.run_id,
        found()[1]["b"].info.run_id,
    }
    assert client.get_run(twin).info.lifecycle_stage == "deleted"


def test_who_comes_second_at_removing_looks_again_after_a_pause(monkeypatch):
    publish("ours", {}, [run("a"), run("b")])
    remove, asked, paused = writing.remove, [], []

    def refused(*given):
        asked.append(given)
        if len(paused) < len(writing.PAUSES):
            raise RuntimeError("somebody else is at it")
        remove(*given)

    monkeypatch.setattr(writing, "remove", refused)
    monkeypatch.setattr(writing.time, "sleep", paused.append)
    assert publish("ours", {}, [run("a")]) == NOTHING | {"unchanged": 1, "removed": 1}
    assert paused == list(writing.PAUSES)
    assert sorted(found()[1]) == ["a"]
    # and what stays refused is told
    monkeypatch.setattr(writing, "remove", lambda *_: 1 / 0)
    with pytest.raises(UserError, match="MLflow"):
        publish("ours", {}, [run("c")])


def test_a_run_that_somebody_publishes_just_now_is_left_alone_for_an_hour():
    publish("ours", {}, [run("a")])
    client, runs = found()
    tags = {KEY: "a", LIVE: "elsewhere:1"}
    ages = {60: "active", 7200: "deleted"}
    half = {
        seconds: client.create_run(
            runs["a"].info.experiment_id,
            start_time=int((time.time() - seconds) * 1000),
            tags=tags,
        ).info.run_id
        for seconds in ages
    }
    publish("ours", {}, [run("a"), run("b")])
    for seconds, stage in ages.items():
        assert client.get_run(half[seconds]).info.lifecycle_stage == stage
    assert LIVE not in client.get_run(runs["a"].info.run_id).data.tags


def test_half_a_run_whose_writers_number_somebody_else_has_now_goes():
    publish("ours", {}, [run("a")])
    client, runs = found()
    me, others = store.me(), store.me().rpartition(":")[0] + ":1600000000"
    for live, stage in ((me, "active"), (others, "deleted")):
        half = client.create_run(runs["a"].info.experiment_id, tags={KEY: "a", LIVE: live})
        publish("ours", {}, [run("a"), run(f"b {stage}")])
        assert client.get_run(half.info.run_id).info.lifecycle_stage == stage
        client.delete_run(half.info.run_id)


def test_results_that_change_while_they_are_published_leave_no_run_that_seems_whole():
    old, new = run("a"), replace(run("a"), digest="of the new")
    with pytest.raises(UserError, match=r"^a: its results changed while .*: whitepatch publish$"):
        publish("ours", {}, [replace(old, is_current=lambda: False)])
    assert COMPLETE not in found()[1]["a"].data.tags
    with closing(sqlite3.connect(paths.MLFLOW / "mlflow.db")) as tables, tables:
        tables.execute("DELETE FROM tags WHERE key = ?", (LIVE,))  # that process has ended
    assert publish("ours", {}, [new]) == NOTHING | {"written": 1, "removed": 1}
    assert publish("ours", {}, [old]) == NOTHING | {"written": 1, "removed": 1}


@pytest.mark.parametrize("name", ["mlflow.db", "store.lock"])
def test_a_folder_where_a_file_of_the_store_must_be_is_refused_with_the_cure(name):
    (paths.MLFLOW / name).mkdir(parents=True)
    with pytest.raises(UserError, match=r"rm -r mlflow, then: whitepatch publish$"):
        publish("ours", {}, [run("a")])


@pytest.mark.parametrize("damage", ["head", "pages", "empty"])
def test_a_damaged_store_is_refused_with_the_cure_and_an_empty_one_is_made_again(root, damage):
    publish("ours", {}, [run("a", model=chosen())])
    file = paths.MLFLOW / "mlflow.db"
    content = bytearray(file.read_bytes())
    for start in {"head": [0], "pages": range(4096, len(content), 4096), "empty": []}[damage]:
        content[start : start + 8] = b"\xff" * 8
    file.write_bytes(b"" if damage == "empty" else content)
    if damage != "empty":
        with pytest.raises(UserError, match=r"mlflow\.db is damaged \(.*: rm -r mlflow, then"):
            publish("ours", {}, [run("a")])
        shutil.rmtree(paths.MLFLOW)
    # this process still has the old file open
    again = [sys.executable, "-W", "ignore", "-m", "helpers.published"]
    environment = os.environ | {"PYTHONPATH": str(root / "tests")}
    done = subprocess.run(again, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(file)) as tables:
        assert tables.execute("SELECT COUNT(*) FROM runs").fetchone() == (8,)


@pytest.mark.parametrize(
    ("damage", "bad"),
    [
        ("UPDATE metrics SET value = 0.26 WHERE key LIKE 'score%'", True),
        ("UPDATE metrics SET value = 0.91 WHERE key = 'train_loss' AND step = 1", True),
        ("UPDATE metrics SET key = 'trbin_loss' WHERE key = 'train_loss' AND step = 2", True),
        ("DELETE FROM metrics WHERE step = 2", True),
        ("UPDATE params SET value = '7'", True),
        ("UPDATE metrics SET is_nan = 1 WHERE key = 'train_loss' AND step = 2", True),
        ("UPDATE latest_metrics SET value = 0.26 WHERE key LIKE 'score%'", True),
        ("UPDATE latest_metrics SET is_nan = 1 WHERE key = 'train_loss'", True),
        ("DELETE FROM latest_metrics WHERE key = 'train_loss'", True),
        ("UPDATE runs SET status = 'FAILED'", True),
        ("UPDATE tags SET value = 'b' WHERE key = 'variant'", True),
        ("UPDATE tags SET value = 'mine' WHERE key = 'mlflow.note.content'", False),
        ("UPDATE runs SET name = 'mine'", False),
    ],
)
def test_a_number_that_changed_in_the_store_is_noticed_and_its_run_replaced(damage, bad):
    publish("ours", {}, [run("a"), run("b")])
    _, before = found()
    with closing(sqlite3.connect(paths.MLFLOW / "mlflow.db")) as tables, tables:
        (mine,) = [before["a"].info.run_id]
        where = "AND" if "WHERE" in damage else "WHERE"
        assert tables.execute(f"{damage} {where} run_uuid = ?", (mine,)).rowcount == 1
    again = publish("ours", {}, [run("a"), run("b")])
    replaced = {"written": 1, "removed": 1, "unchanged": 1} if bad else {"unchanged": 2}
    assert again == NOTHING | replaced
    _, after = found()
    assert (after["a"].info.run_id != mine) is bad
    assert after["b"].info.run_id == before["b"].info.run_id
    assert after["a"].data.params == {"epochs": "3"}
    assert after["a"].data.metrics == {"score auc/evidence": 0.25, "train_loss": 0.5}
    assert publish("ours", {}, [run("a"), run("b")]) == NOTHING | {"unchanged": 2}


@pytest.mark.parametrize("model", [False, True])
@pytest.mark.parametrize("harm", ["a bit", "gone", "its list", "all"])
def test_an_artifact_that_changed_or_is_gone_is_noticed_and_its_run_replaced(model, harm):
    runs = [run("a", model=chosen() if model else None), run("b")]
    publish("ours", {}, runs)
    assert publish("ours", {}, runs) == NOTHING | {"unchanged": 2}
    name = "MLmodel" if model else "map.png"
    (file,) = [path for path in Path("mlflow/artifacts").rglob(name) if model or is_of("a", path)]
    folder = file.parent if model else file.parents[1]
    if harm == "a bit":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif harm == "gone":
        file.unlink()
    elif harm == "its list":
        (folder / "SHA256SUMS").unlink()
    else:
        shutil.rmtree(folder)
    replaced = NOTHING | {"written": 1, "removed": 1, "unchanged": 1}
    assert publish("ours", {}, runs) == replaced
    assert publish("ours", {}, runs) == NOTHING | {"unchanged": 2}


def is_of(key, picture):
    """Say whether a picture is the one that `run` draws for a key."""
    return picture.read_bytes() == b"picture of " + key.encode()


def test_whoever_is_killed_while_the_store_is_made_leaves_none(root):
    command = [sys.executable, "-W", "ignore", "-m", "helpers.published"]
    environment = os.environ | {"PYTHONPATH": str(root / "tests")}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as killed:
        while not any(file.stat().st_size for file in paths.MLFLOW.glob(".mlflow.*.db")):
            assert killed.poll() is None
            time.sleep(0.001)
        killed.kill()
    assert not (paths.MLFLOW / "mlflow.db").exists()
    assert publish("ours", {}, [run("a")]) == NOTHING | {"written": 1}
    assert not list(paths.MLFLOW.glob(".mlflow*"))


def test_two_who_name_the_same_images_at_once_are_both_heard(monkeypatch):
    """MLflow refuses the second; then the images are there already."""
    log, refused = MlflowClient.log_inputs, []

    def once(self, *given, **more):
        if not refused:
            refused.append(given)
            raise MlflowException("UNIQUE constraint failed: datasets")
        return log(self, *given, **more)

    monkeypatch.setattr(MlflowClient, "log_inputs", once)
    monkeypatch.setattr(writing.time, "sleep", lambda _: None)
    publish("ours", {}, [run("a")])
    assert len(found()[1]["a"].inputs.dataset_inputs) == 1


def test_the_last_word_of_a_killed_publish_is_said_by_the_next():
    runs = [run("a", model=chosen()), run("b")]
    publish("ours", {}, runs)
    client, there = found()
    run_id = there["a"].info.run_id
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    client.set_tag(run_id, LIVE, store.me(int(ended.stdout)))
    client.update_run(run_id, status="RUNNING")
    assert publish("ours", {}, runs) == NOTHING | {"unchanged": 2}
    mended = client.get_run(run_id)
    assert (mended.info.status, LIVE in mended.data.tags) == ("FINISHED", False)


def test_an_alias_or_a_registered_model_that_somebody_deleted_comes_back():
    runs = [run("a", model=chosen())]
    publish("ours", {}, runs)
    client, _ = found()
    client.delete_registered_model_alias("ours", ALIAS)
    assert publish("ours", {}, runs) == NOTHING | {"unchanged": 1}
    assert client.get_model_version_by_alias("ours", ALIAS).version == 1
    client.delete_registered_model("ours")
    assert publish("ours", {}, runs) == NOTHING | {"unchanged": 1}
    assert client.get_model_version_by_alias("ours", ALIAS).run_id == found()[1]["a"].info.run_id


def test_what_somebody_else_registered_stays_theirs():
    publish("ours", {}, [run("a", model=chosen())])
    client, runs = found()
    (logged,) = client.search_logged_models([runs["a"].info.experiment_id])
    client.create_registered_model("prod")
    client.create_model_version("prod", logged.artifact_location, runs["a"].info.run_id)
    publish("ours", {}, [run("a", digest="2", model=chosen())])
    assert client.get_model_version("prod", "1").source == logged.artifact_location
    assert [int(one.version) for one in client.search_model_versions("name = 'ours'")] == [2]
    assert len(list(paths.MLFLOW.rglob("model.pt2"))) == 2


def test_a_run_whose_removal_was_cut_off_is_not_taken_for_whole(monkeypatch):
    publish("ours", {}, [run("a")])
    with monkeypatch.context() as patched:
        patched.setattr(writing.models, "remove", lambda *_: 1 / 0)
        patched.setattr(writing, "PAUSES", ())
        with pytest.raises(UserError):
            publish("ours", {}, [run("a", digest="2")])
    count = publish("ours", {}, [run("a")])
    assert count == NOTHING | {"written": 1, "removed": 2}
    client, runs = found()
    names = {artifact.path for artifact in client.list_artifacts(runs["a"].info.run_id)}
    assert names == {"SHA256SUMS", "figures"}


def test_the_own_store_by_its_address_is_the_own_store(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow/mlflow.db")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")
    publish("ours", {}, [run("a", model=chosen())])
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert publish("ours", {}, [run("a", model=chosen())]) == NOTHING | {"unchanged": 1}


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        ("postgresql://db/x?user=me&password=hunter2", "hunter2"),
        ("http://127.0.0.1:9/?token=hunter2", "hunter2"),
        ("http://me:hunter2@[bad", "hunter2"),
    ],
)
def test_no_secret_of_an_address_is_shown_and_no_address_ends_in_a_traceback(
    monkeypatch, uri, secret
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError) as refused:
        publish("ours", {}, [run("a")])
    assert secret not in str(refused.value)
    assert str(refused.value).endswith(
        "; see to that server, or unset MLFLOW_TRACKING_URI, then: whitepatch publish"
    )


def test_a_store_of_another_version_of_mlflow_is_refused_with_the_cure(root):
    publish("ours", {}, [run("a")])
    with closing(sqlite3.connect("mlflow/mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")  # of 2019
        database.commit()
    # a process of its own, because MLflow looks once
    command = [sys.executable, "-m", "helpers.published"]
    environment = os.environ | {"PYTHONPATH": str(root / "tests")}
    done = subprocess.run(command, env=environment, stderr=-1, text=True, check=False)
    error = done.stderr.splitlines()[-1]
    assert error.startswith("whitepatch.errors.UserError: MLflow at sqlite:///")
    assert error.endswith("; rm -r mlflow, then: whitepatch publish")


def test_a_run_whose_making_was_cut_off_is_taken_up_not_made_twice(monkeypatch):
    """The server died before it had the parameters; the training goes on, and tells again."""
    paths.MLFLOW.mkdir()
    client = store.client()
    experiment_id = store.experiment(client, "ours", {})
    told = {"key": "a", "identity": "1", "name": "a", "variants": ["cnn"]}
    told |= {"tags": {"variant": "cnn"}, "params": {"epochs": 3}}
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_param", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_of(client, experiment_id, Seed(told), os.getpid())
    made = run_of(client, experiment_id, Seed(told), os.getpid())
    (only,) = client.search_runs([experiment_id])
    assert only.info.run_id == made
    assert only.data.params == {"epochs": "3"}
