"""Numbers of a rebuild against those that Git has; `--hashes` is tested in the miniature."""

import shutil

import pytest
from helpers.project import run

from whitepatch import recorded as recording
from whitepatch import verify
from whitepatch.errors import UserError

HEAD = "variant,measure,num_seeds,mean,std,min,max,low,high\n"
RECORDED = HEAD + "cnn,accuracy,3,0.5,0.1,0.4,0.6,0.4,0.6\ncnn,auc,3,0.25,0,0.25,0.25,0.25,0.25\n"


@pytest.fixture
def recorded(root, tmp_path, monkeypatch):
    """Return the table of a project whose results Git has."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "params.yaml", tmp_path)
    path = tmp_path / "reports/demo/comparison.csv"
    path.parent.mkdir(parents=True)
    path.write_text(RECORDED)
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "results")):
        status, said = run(tmp_path, "git", "-c", "user.name=a", "-c", "user.email=a@b", *command)
        assert status == 0, said
    return path


@pytest.mark.parametrize(
    ("mean", "good", "words"),
    [
        ("0.5", True, "the same: 0.5, recorded 0.5"),
        ("0.5000004", True, "the same: "),
        ("0.5000006", True, "within the recorded seeds (0.4 to 0.6): "),
        ("0.4", True, "within the recorded seeds (0.4 to 0.6): "),
        ("0.39", False, "outside the recorded seeds (0.4 to 0.6): 0.39, recorded 0.5"),
        ("nan", False, "outside the recorded seeds"),
    ],
)
def test_a_mean_is_judged_by_rounding_then_by_the_recorded_seeds(recorded, mean, good, words):
    recorded.write_text(RECORDED.replace("accuracy,3,0.5", f"accuracy,3,{mean}"))
    accuracy, auc = verify.numbers("demo")
    assert (accuracy.what, accuracy.good) == ("cnn accuracy", good)
    assert accuracy.words.startswith(words)
    assert auc.good
    status, said = run(recorded.parents[2], "whitepatch", "verify", "demo")
    assert status == (0 if good else 1)
    assert f"{1 + good} of 2 are good" in said


def test_what_cannot_be_compared_is_one_line(recorded):
    with pytest.raises(UserError, match=r"^Git has no .*comparison\.csv in v1 \("):
        list(verify.numbers("demo", "v1"))
    with pytest.raises(UserError, match="make it: dvc repro report@photos"):
        list(verify.numbers("photos"))
    with pytest.raises(UserError, match="no experiment 'mine' in params"):
        list(verify.numbers("mine"))
    for damage in (b"", b"\xff\xfe", RECORDED.replace("0.6,0.4", "x.6,0.4").encode()):
        recorded.write_bytes(damage)
        with pytest.raises(UserError, match=r"no table of results: .*; make it again: dvc repro"):
            list(verify.numbers("demo"))
    recorded.write_text(HEAD + "cnn,accuracy,3,0.5,0.1,0.4,0.6,0.4,0.6\n")
    with pytest.raises(UserError, match="has other variants or measures than in HEAD"):
        list(verify.numbers("demo"))


@pytest.mark.parametrize(
    "content",
    [
        "stages: [",
        "",
        "schema: 1",
        "stages: {a: {outr: []}}",
        "stages: {a: {outs: [{path: b}]}}",
        "stages: {a: 1}",
        "stages: {a: {cmd: b}}",
    ],
)
def test_a_broken_lock_is_refused_with_the_cure(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"dvc\.lock is not here"):
        list(verify.hashes())
    monkeypatch.setattr(recording.time, "sleep", lambda _: None)
    (tmp_path / "dvc.lock").write_text(content)
    with pytest.raises(UserError, match=r"git checkout HEAD dvc\.lock$"):
        list(verify.hashes())
