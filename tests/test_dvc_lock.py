"""What dvc.lock says, and what brings back what is not so."""

import json
import os
import shutil
from fnmatch import fnmatchcase
from hashlib import md5
from pathlib import Path

import pytest
from dvc.repo import Repo
from helpers.project import run

from whitepatch import dvc_config, dvc_lock
from whitepatch.errors import UserError
from whitepatch.files import PLACES


def test_without_a_lock_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(dvc_lock.outputs(dvc_lock.read())) == []
    assert list(dvc_lock.inputs(dvc_lock.read())) == []


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
    (found,) = dvc_lock.inputs(dvc_lock.read())
    assert found == dvc_lock.Output("report@photos", Path("data/published.csv"), "4")


NAMES = """
.DS_Store ._a.py .ipynb_checkpoints/a.py .~lock.a.csv# .directory .nfs01 .idea/a.xml .#a.py
.vscode/a.json .fuse_hidden01 .Trash-0/a.py .AppleDouble/a.py .dropbox.attr .stfolder/a .a.py.swp
.mypy_cache/a.json .ruff_cache/a .pytest_cache/a .a.whitepatch-1.npz __pycache__/a.py a.pyc a.py~
#a.py# a.bak a.orig a.rej a.tmp ~$a.csv Thumbs.db Thumbs.db:encryptable desktop.ini __MACOSX/a.py
@eaDir/a.py a.sync-conflict-1.py
"""
LEFT = [*NAMES.split(), "Icon\r", "a (conflicted copy).py"]
"""What file managers, editors, tools, offices and systems leave in folders, and we ourselves."""


def test_what_others_leave_is_no_part_of_a_folder_to_dvc_to_git_and_to_us(
    root, tmp_path, monkeypatch
):
    patterns = [line for line in (root / ".dvcignore").read_text().splitlines() if line]
    patterns = [line for line in patterns if line[0] != "#" and "/" not in line]
    met = {x for x in patterns for name in LEFT if fnmatchcase(name.partition("/")[0], x)}
    assert met == {*patterns}
    monkeypatch.chdir(tmp_path)
    for name in (".dvcignore", ".gitignore"):
        shutil.copy(root / name, tmp_path)
    run(tmp_path, "git", "init", "-q")
    kept = {"src/a.py", "src/deep/a.py", "src/Icons/a.png"}
    for name in {*kept, *(f"src/deep/{name}" for name in LEFT)}:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert {str(path) for path in dvc_config.files(Path("src"))} == kept
    listed = run(tmp_path, "git", "ls-files", "-zo", "--exclude-standard", "src")[1]
    assert {*listed.split("\0")} - {""} == kept
    with Repo.init() as repo:
        assert {*repo.dvcignore.find(repo.fs, str(tmp_path / "src"))} == {
            str(tmp_path / name) for name in kept
        }


def test_what_git_has_is_part_of_its_folder(root, monkeypatch):
    monkeypatch.chdir(root)
    for place in ("src", *PLACES):
        tracked = run(root, "git", "ls-files", "-z", place)[1].split("\0")[:-1]
        assert {*map(Path, tracked)} <= {*dvc_config.files(Path(place))} or not tracked


@pytest.mark.parametrize("setting", ["true", "input", "false"])
def test_a_text_has_the_same_bytes_however_git_is_set(root, tmp_path, setting):
    assert "crlf" not in run(root, "git", "ls-files", "--eol")[1]
    shutil.copy(root / ".gitattributes", tmp_path)
    contents = {"a.csv": b"1\n2\n", "a.png": b"\x89PNG\r\n\x1a\n\0\n"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for command in ("init -q", f"config core.autocrlf {setting}", "add ."):
        assert run(tmp_path, "git", *command.split())[0] == 0
    for name, content in contents.items():
        (tmp_path / name).unlink()
        assert run(tmp_path, "git", "checkout", name)[0] == 0
        assert (tmp_path / name).read_bytes() == content


def test_what_is_damaged_in_the_cache_too_is_not_to_be_taken_from_there(locked):
    (output, _) = dvc_lock.outputs(dvc_lock.read())
    assert output.cure() == "dvc repro -f -s train@demo-cnn", "what DVC has not it cannot give"
    kept = dvc_lock._kept(output.md5)
    assert kept == Path(".dvc/cache/files/md5", output.md5[:2], output.md5[2:])
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"hello")
    assert output.cure().startswith("rm -r a && dvc checkout a")
    kept.write_bytes(b"hellp")
    assert output.cure() == f"so is DVC's cache: rm -rf {kept} && dvc repro -f -s train@demo-cnn"
    # of a folder the cache has a list, and its files
    listed = json.dumps([{"md5": output.md5, "relpath": "a"}]).encode()
    total = md5(listed, usedforsecurity=False).hexdigest()
    place = dvc_lock._kept(f"{total}.dir")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(listed)
    folder = dvc_lock.Output("train@demo-cnn", locked / "m", f"{total}.dir")
    assert f"rm -rf {kept} &&" in folder.cure()
    kept.unlink()
    assert not output.damaged(), "DVC makes again what its cache lacks"
    kept.mkdir()
    assert output.damaged() == folder.damaged() == str(kept)


def test_without_git_there_is_still_a_cure(locked, monkeypatch):
    monkeypatch.setenv("PATH", str(locked))
    assert next(dvc_lock.outputs(dvc_lock.read())).cure() == "dvc repro -f -s train@demo-cnn"


@pytest.mark.parametrize("absolute", [True, False])
def test_a_cache_in_another_place_is_looked_at_there(locked, absolute):
    (locked / ".dvc").mkdir()
    other = locked / "else where"
    place = other if absolute else "../else where"
    (locked / ".dvc/config.local").write_text(f"[cache]\n    dir = {place}\n")
    (output, _) = dvc_lock.outputs(dvc_lock.read())
    kept = other / "files/md5" / output.md5[:2] / output.md5[2:]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"hellp")
    assert output.damaged().startswith("'"), "a shell takes it for one path"
    assert run(locked, "sh", "-c", f"rm -rf {output.damaged()}")[0] == 0
    assert not kept.exists()


def test_a_lock_that_is_being_written_is_read_again(locked, monkeypatch):
    whole, pauses = (locked / "dvc.lock").read_text(), []

    def sleep(seconds):
        pauses.append(seconds)
        (locked / "dvc.lock").write_text(whole)

    monkeypatch.setattr(dvc_lock.time, "sleep", sleep)
    (locked / "dvc.lock").write_text(whole[:30])
    assert len(list(dvc_lock.outputs(dvc_lock.read()))) == 2
    assert len(pauses) == 1


@pytest.mark.parametrize(
    "content",
    [
        "stages: [",
        "stages:\n  compare:\n    outs:\n    - path: 3\n      md5: '4'\n",
        "stages:\n  compare:\n    deps:\n    - path: [a]\n      md5: '4'\n",
        "stages:\n  compare:\n    outs:\n    - path: a\n      md5: 4\n",
        "stages:\n  compare:\n    outs:\n    - path: a\n",
        "[" * 3000 + "]" * 3000,
    ],
)
def test_a_lock_that_stays_broken_is_refused_with_the_cure(locked, monkeypatch, content):
    monkeypatch.setattr(dvc_lock.time, "sleep", lambda _: None)
    (locked / "dvc.lock").write_text(content)
    with pytest.raises(UserError, match=r"git checkout HEAD dvc\.lock$"):
        list(dvc_lock.outputs(dvc_lock.read()))


def test_what_is_no_file_is_not_waited_for(locked, monkeypatch):
    monkeypatch.setattr(dvc_lock.time, "sleep", lambda _: None)
    (output, _) = dvc_lock.outputs(dvc_lock.read())
    for name in ("a", "dvc.lock"):
        (locked / name).unlink()
        os.mkfifo(locked / name)
    assert not output.is_as_recorded()
    with pytest.raises(UserError, match=r"git checkout HEAD dvc\.lock$"):
        dvc_lock.read()


def test_git_is_asked_only_for_what_is_recorded(locked):
    (output, _) = dvc_lock.outputs(dvc_lock.read())
    assert run(locked, "git", "init", "-q")[0] == 0
    for content, has in ((b"hello", True), (b"older", False)):
        (locked / "a").write_bytes(content)
        assert run(locked, "git", "add", "a")[0] == 0
        (locked / "a").write_bytes(b"hellp")
        assert output.cure().startswith("git checkout a, or: ") is has
    assert run(locked, "git", "rm", "-qf", "--cached", "a")[0] == 0
    assert output.cure() == "dvc repro -f -s train@demo-cnn"
    (locked / "m/deep").mkdir(parents=True)
    (locked / "m/deep/b").touch()
    folder = dvc_lock.Output("report@demo", Path("m"), dvc_lock.digest(locked / "m"))
    assert run(locked, "git", "add", "m")[0] == 0
    (locked / "m/deep/b").unlink()
    assert folder.cure().startswith("git checkout m, or: ")


def test_the_cure_of_a_broken_lock_helps_in_a_merge_with_conflicts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dvc_lock.time, "sleep", lambda _: None)

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
        list(dvc_lock.outputs(dvc_lock.read()))
    assert run(tmp_path, "sh", "-c", str(refused.value).partition("from Git: ")[2])[0] == 0
    assert "cmd: ours" in (tmp_path / "dvc.lock").read_text()
