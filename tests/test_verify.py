"""Numbers of a rebuild against those that Git has."""

import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.project import run

from whitepatch import cli, verify
from whitepatch.errors import UserError

HEAD = "variant,measure,num_seeds,mean,std,min,max,low,high\n"
RECORDED = HEAD + (
    "cnn,accuracy,3,0.5,0.001,0.4,0.6,0.4,0.6\ncnn,auc,3,0.25,0,0.25,0.25,0.25,0.25\n"
)


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
        # 14.089, of t at 0.0025 and two degrees of freedom, times 0.001 times the root of 2/3
        ("0.5000006", True, "within what seeds differ by (± 0.012): "),
        ("0.5115", True, "within what seeds differ by (± 0.012): "),
        ("0.4885", True, "within what seeds differ by (± 0.012): "),
        ("0.5116", False, "another result, by more than seeds (± 0.012): 0.5116, recorded 0.5"),
        ("nan", False, "another result"),
    ],
)
def test_a_mean_is_judged_by_rounding_then_by_the_recorded_seeds(
    recorded, capsys, mean, good, words
):
    recorded.write_text(RECORDED.replace("accuracy,3,0.5", f"accuracy,3,{mean}"))
    accuracy, auc = verify.numbers("demo")
    assert (accuracy.what, accuracy.good) == ("demo: cnn accuracy", good)
    assert accuracy.words.startswith(words)
    assert auc.good
    with pytest.raises(SystemExit) as ended:
        cli.verify(["demo"], "HEAD")
    assert ended.value.code == (0 if good else 1)
    assert f"{1 + good} of 2 are good" in capsys.readouterr().err


def rows(*stds, seeds=2):
    index = [f"{name} loss" for name in "abc"[: len(stds)]]
    content = {"measure": "loss", "num_seeds": float(seeds), "mean": 0.0, "std": stds}
    return pd.DataFrame(content, index)


def test_a_spread_is_that_of_all_variants_if_its_own_is_less():
    luck = verify._luck(rows(0.3, 0.4, 0.0), rows(0.0, 0.0, 0.0))
    # of t at 0.01 / 6 and three degrees of freedom; two seeds each, so the root is 1
    pooled = (0.25 / 3) ** 0.5
    assert luck.to_list() == pytest.approx([8.5752 * x for x in (0.3, 0.4, pooled)], rel=1e-4)
    ten = verify._luck(rows(0.3, seeds=10), rows(0.9, seeds=10))
    assert ten.to_list() == pytest.approx([3.2498 * 0.3 * 0.2**0.5], rel=1e-4)
    assert verify._luck(rows(np.nan, seeds=1), rows(np.nan, seeds=1)).to_list() == [0.0]


def test_what_cannot_be_compared_is_one_line(recorded):
    with pytest.raises(UserError, match=r"^Git has no .*comparison\.csv in v1 \("):
        list(verify.numbers("demo", "v1"))
    with pytest.raises(UserError, match="make it: dvc repro report@photos"):
        list(verify.numbers("photos"))
    with pytest.raises(UserError, match="no experiment 'mine' in params"):
        list(verify.numbers("mine"))
    for damage in (b"", b"\xff\xfe", RECORDED.replace("0.001", "x").encode()):
        recorded.write_bytes(damage)
        with pytest.raises(UserError, match=r"no table of results: .*; make it again: dvc repro"):
            list(verify.numbers("demo"))
    recorded.write_text(HEAD + "cnn,accuracy,3,0.5,0.1,0.4,0.6,0.4,0.6\n")
    with pytest.raises(UserError, match="has other variants or measures than in HEAD"):
        list(verify.numbers("demo"))
