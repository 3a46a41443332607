import warnings

import pytest

from whitepatch import tracking
from whitepatch.errors import UserError
from whitepatch.tracking import COMPLETE, KEY, Run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own imports
    tracking._quiet()
    from mlflow import MlflowClient
    from mlflow.entities import RunTag


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def run(key, digest="1", loss=0.5):
    def attach(folder):
        (folder / "figures").mkdir()
        (folder / "figures" / "map.png").write_bytes(b"picture of " + key.encode())

    return Run(
        key=key,
        digest=digest,
        name=f"name of {key}",
        description="what it is",
        attach=attach,
        tags={"variant": key},
        params={"epochs": 3},
        series={"train_loss": [(1, 0.9), (2, loss)]},
        metrics={"score auc/evidence": 0.25},
        dataset=("data/split/demo.csv", "abc"),
    )


def found(experiment="ours"):
    client = MlflowClient(tracking.tracking_uri())
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    return client, {run.data.tags[KEY]: run for run in client.search_runs([experiment_id])}


def test_a_run_shows_what_it_was_given(tmp_path):
    assert tracking.publish("ours", "a question", [run("a")]) == {
        "written": 1,
        "unchanged": 0,
        "removed": 0,
    }
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
    tracking.publish("ours", "", [run("a"), run("b")])
    first = {key: shown.info.run_id for key, shown in found()[1].items()}
    again = tracking.publish("ours", "", [run("a"), run("b", digest="2", loss=0.25)])
    assert again == {"written": 1, "unchanged": 1, "removed": 1}
    second = found()[1]
    assert second["a"].info.run_id == first["a"]
    assert second["b"].info.run_id != first["b"]
    assert second["b"].data.metrics["train_loss"] == 0.25
    assert len(list((tmp_path / "mlflow" / "artifacts").rglob("map.png"))) == 2


def test_nothing_to_do_needs_no_mlflow_and_any_doubt_asks_it(tmp_path, monkeypatch):
    tracking.publish("ours", "", [run("a"), run("b")])

    def asked():
        raise UserError("MLflow was asked")

    monkeypatch.setattr(tracking, "_client", asked)
    assert tracking.publish("ours", "", [run("a"), run("b")])["unchanged"] == 2
    for runs in ([run("a")], [run("a"), run("b", digest="2")], [run("a"), run("b"), run("c")]):
        with pytest.raises(UserError, match="MLflow was asked"):
            tracking.publish("ours", "", runs)
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"no database")
    with pytest.raises(UserError, match="MLflow was asked"):
        tracking.publish("ours", "", [run("a"), run("b")])


def test_what_is_gone_goes_and_strangers_stay():
    tracking.publish("ours", "", [run("a"), run("b")])
    tracking.publish("theirs", "", [run("c")])
    client, runs = found()
    stranger = client.create_run(runs["a"].info.experiment_id, run_name="by hand")
    assert tracking.publish("ours", "", [run("a")])["removed"] == 1
    left = client.search_runs([runs["a"].info.experiment_id])
    assert {shown.info.run_name for shown in left} == {"name of a", "by hand"}
    assert stranger.info.run_id in {shown.info.run_id for shown in left}
    assert set(found("theirs")[1]) == {"c"}


def test_a_run_that_was_not_finished_is_written_again():
    tracking.publish("ours", "", [run("a")])
    client, runs = found()
    client.log_batch(runs["a"].info.run_id, tags=[RunTag(COMPLETE, "no")])
    assert tracking.publish("ours", "", [run("a")]) == {"written": 1, "unchanged": 0, "removed": 1}


def test_a_store_that_cannot_be_reached_is_one_line_with_the_cure(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^MLflow at http://127\.0\.0\.1:9 .*whitepatch publish$"):
        tracking.publish("ours", "", [run("a")])
