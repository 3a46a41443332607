"""What dvc.lock says, without a pipeline; with one: tests/test_pipeline.py."""

import json
from hashlib import md5
from pathlib import Path

import pytest
from helpers.project import run

from whitepatch import recorded
from whitepatch.errors import UserError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Stand in a folder with a dvc.lock of two outputs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"hello")
    (tmp_path / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  train@demo-cnn:\n    outs:\n"
        f"    - path: a\n      md5: {md5(b'hello', usedforsecurity=False).hexdigest()}\n"
        "    - path: gone\n      md5: '0'\n"
    )
    return tmp_path


def test_what_is_as_recorded_passes_and_what_is_not_here_too(here):
    recorded.refuse_other("evaluate@demo-cnn")
    (here / "a").write_bytes(b"hellp")
    with pytest.raises(
        UserError, match=r"^a is not what dvc\.lock has; .*dvc repro -f -s train@demo-"
    ):
        recorded.refuse_other("evaluate@demo-cnn")


@pytest.mark.parametrize(
    ("stage", "earlier", "builds"),
    [
        ("split@demo", "fetch@photos", True),
        ("train@demo-cnn", "fetch@photos", False),  # the split knows every picture
        ("train@demo-cnn", "split@demo", True),
        ("train@demo-cnn", "split@photos", False),
        ("train@demo-cnn", "train@demo-cbam", False),
        ("evaluate@demo-cbam", "train@demo-cbam", True),
        ("evaluate@demo-cbam", "train@demo-cbam_spatial", False),
        ("evaluate@demo-cbam", "evaluate@demo-cbam", False),
        ("report@demo", "evaluate@demo-cbam", True),
        ("publish@demo", "report@demo", True),
        ("compare", "report@photos", True),
        ("compare", "evaluate@photos-cnn", True),
        ("compare", "train@photos-cnn", False),
        ("compare", "publish@photos", False),
        ("mine@demo", "split@demo", False),
    ],
)
def test_a_stage_builds_on_those_before_it_of_its_experiment_and_variant(stage, earlier, builds):
    assert recorded._builds_on(stage, earlier) is builds


def test_without_a_lock_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(recorded.outputs()) == []
    assert list(recorded.inputs()) == []


def test_a_table_that_stages_read_and_none_makes_is_an_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = (
        "    deps:\n    - path: {}\n      md5: '{}'\n    outs:\n    - path: {}\n      md5: '0'\n"
    )
    stages = {
        "split@demo": entry.format("src/a.py", "1", "data/split/demo.csv"),
        "train@demo-cnn": entry.format("data/split/demo.csv", "2", "models/demo/cnn"),
        "report@demo": entry.format("data/published.csv", "3", "reports/demo/report.md"),
        "report@photos": entry.format("data/published.csv", "4", "reports/photos/report.md"),
    }
    text = "".join(f"  {stage}:\n{words}" for stage, words in stages.items())
    (tmp_path / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n{text}")
    (found,) = recorded.inputs()
    assert found == recorded.Output("report@photos", Path("data/published.csv"), "4")


def test_what_is_being_written_is_no_part_of_a_folder(tmp_path):
    (tmp_path / "a").touch()
    before = recorded._sum(tmp_path)
    (tmp_path / ".a.whitepatch-1.npz").touch()
    assert recorded._sum(tmp_path) == before
    (tmp_path / ".a.npz").touch()
    assert recorded._sum(tmp_path) != before


def test_what_is_damaged_in_the_cache_too_is_not_to_be_taken_from_there(here):
    (output, _) = recorded.outputs()
    assert output.cure() == "dvc repro -f -s train@demo-cnn", "what DVC has not it cannot give"
    kept = recorded._kept(output.md5)
    assert kept == Path(".dvc/cache/files/md5", output.md5[:2], output.md5[2:])
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"hello")
    assert output.cure().startswith("rm -r a && dvc checkout a")
    kept.write_bytes(b"hellp")
    assert output.cure() == f"so is DVC's cache: rm -rf {kept} && dvc repro -f -s train@demo-cnn"
    # of a folder the cache has a list, and its files
    listed = json.dumps([{"md5": output.md5, "relpath": "a"}]).encode()
    total = md5(listed, usedforsecurity=False).hexdigest()
    place = recorded._kept(f"{total}.dir")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(listed)
    folder = recorded.Output("train@demo-cnn", here / "m", f"{total}.dir")
    assert f"rm -rf {kept} &&" in folder.cure()
    kept.unlink()
    assert not output.damaged(), "DVC makes again what its cache lacks"
    kept.mkdir()
    assert output.damaged() == folder.damaged() == str(kept)


def test_without_git_there_is_still_a_cure(here, monkeypatch):
    monkeypatch.setenv("PATH", str(here))
    assert next(recorded.outputs()).cure() == "dvc repro -f -s train@demo-cnn"


@pytest.mark.parametrize("absolute", [True, False])
def test_a_cache_in_another_place_is_looked_at_there(here, absolute):
    (here / ".dvc").mkdir()
    other = here / "else where"
    place = other if absolute else "../else where"
    (here / ".dvc/config.local").write_text(f"[cache]\n    dir = {place}\n")
    (output, _) = recorded.outputs()
    kept = other / "files/md5" / output.md5[:2] / output.md5[2:]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"hellp")
    assert output.damaged().startswith("'"), "a shell takes it for one path"
    assert run(here, "sh", "-c", f"rm -rf {output.damaged()}")[0] == 0
    assert not kept.exists()


def test_a_split_reads_its_own_source_and_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lock = "".join(
        f"  fetch@{name}: {{outs: [{{path: raw/{name}, md5: '0'}}]}}\n" for name in ("a", "b")
    )
    (tmp_path / "raw/a").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(f"stages:\n{lock}")
    with pytest.raises(UserError, match=r"^raw/a is not what dvc\.lock has"):
        recorded.refuse_other("split@demo")  # which has never run
    for name, good in (("a", False), ("b", True)):
        split = f"  split@demo: {{deps: [{{path: raw/{name}, md5: '0'}}]}}\n"
        (tmp_path / "dvc.lock").write_text(f"stages:\n{lock}{split}")
        if good:
            recorded.refuse_other("split@demo")
        else:
            with pytest.raises(UserError, match=r"^raw/a is not what dvc\.lock has"):
                recorded.refuse_other("split@demo")


def test_what_a_stage_has_made_is_looked_at_if_that_is_asked_for(here):
    (here / "a").write_bytes(b"hellp")
    recorded.refuse_other("train@demo-cnn")
    with pytest.raises(UserError, match=r"^a is not what dvc\.lock has"):
        recorded.refuse_other("train@demo-cnn", and_made=True)


def test_a_lock_that_is_being_written_is_read_again(here, monkeypatch):
    whole, pauses = (here / "dvc.lock").read_text(), []

    def sleep(seconds):
        pauses.append(seconds)
        (here / "dvc.lock").write_text(whole)

    monkeypatch.setattr(recorded.time, "sleep", sleep)
    (here / "dvc.lock").write_text(whole[:30])
    assert len(list(recorded.outputs())) == 2
    assert len(pauses) == 1


@pytest.mark.parametrize(
    "content",
    [
        "stages: [",
        "stages:\n  compare:\n    outs:\n    - path: 3\n      md5: '4'\n",
        "stages:\n  compare:\n    deps:\n    - path: [a]\n      md5: '4'\n",
        "stages:\n  compare:\n    outs:\n    - path: a\n      md5: 4\n",
        "stages:\n  compare:\n    outs:\n    - path: a\n",
    ],
)
def test_a_lock_that_stays_broken_is_refused_with_the_cure(here, monkeypatch, content):
    monkeypatch.setattr(recorded.time, "sleep", lambda _: None)
    (here / "dvc.lock").write_text(content)
    with pytest.raises(UserError, match=r"git checkout HEAD dvc\.lock$"):
        list(recorded.outputs())


def test_the_cure_of_a_broken_lock_helps_in_a_merge_with_conflicts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recorded.time, "sleep", lambda _: None)

    def git(*command):
        return run(tmp_path, "git", "-c", "user.name=a", "-c", "user.email=a@b", *command)

    def commit(words):
        (tmp_path / "dvc.lock").write_text(f"stages:\n  compare:\n    cmd: {words}\n")
        assert git("add", "-A")[0] == git("commit", "-qm", words)[0] == 0

    assert git("init", "-q", "-b", "main")[0] == 0
    commit("first")
    git("checkout", "-q", "-b", "other")
    commit("other")
    git("checkout", "-q", "main")
    commit("ours")
    assert git("merge", "other")[0] != 0
    with pytest.raises(UserError) as refused:
        list(recorded.outputs())
    assert run(tmp_path, "sh", "-c", str(refused.value).partition("from Git: ")[2])[0] == 0
    assert "cmd: ours" in (tmp_path / "dvc.lock").read_text()


def test_an_evaluation_of_other_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/cnn.json").write_bytes(b"hello")
    folder = recorded._sum(tmp_path / "m")
    lock = f"""
stages:
  train@demo-cnn: {{outs: [{{path: w, md5: '1'}}]}}
  evaluate@demo-cnn: {{deps: [{{path: w, md5: '1'}}], outs: [{{path: m/cnn.json, md5: '2'}}]}}
  report@demo: {{deps: [{{path: m, md5: {folder}}}, {{path: src, md5: '3'}}]}}
  evaluate@photos-cnn: {{deps: [{{path: w, md5: '9'}}]}}
"""
    (tmp_path / "dvc.lock").write_text(lock)
    recorded.refuse_mixture("demo", ["cnn"])
    with pytest.raises(
        UserError, match=r"^w has changed since evaluate@photos-cnn ran; .*@photos$"
    ):
        recorded.refuse_mixture("photos", ["cnn"])
    recorded.refuse_mixture("photos", ["cbam"])  # DVC keeps what it knows of others
    (tmp_path / "m/cnn.json").write_bytes(b"hellp")
    with pytest.raises(UserError, match=r"^m has changed since report@demo ran; .*report@demo$"):
        recorded.refuse_mixture("demo", ["cnn"])
    (tmp_path / "dvc.lock").write_text(lock.replace("path: w, md5: '1'", "path: w, md5: '4'", 1))
    with pytest.raises(UserError, match=r"^w has changed since evaluate@demo-cnn ran; "):
        recorded.refuse_mixture("demo", ["cnn"])
