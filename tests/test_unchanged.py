"""What a stage reads must not change while it runs; with DVC: tests/test_concurrency.py."""

import json
import os
import shutil
from pathlib import Path

import pytest

from whitepatch import plain_yaml, unchanged
from whitepatch.errors import UserError
from whitepatch.files import write_text
from whitepatch.processes import RWLOCK
from whitepatch.unchanged import refuse_changed, refuse_touched, remember


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Stand in a folder of DVC, as one of its stages, that reads a file and a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "train@demo-cnn")
    monkeypatch.setattr(unchanged, "_seen", {})
    monkeypatch.setattr(unchanged, "_params", [])
    monkeypatch.setattr(plain_yaml, "_read", {})
    for name in ("train.py", "data/a.py", "data/deep/b.py"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    RWLOCK.parent.mkdir(parents=True)
    mine, another = ({"pid": pid, "cmd": "dvc repro"} for pid in (os.getppid(), os.getpid()))
    read = {
        str(tmp_path / "train.py"): [another, mine],
        str(tmp_path / "data"): [mine],
        str(tmp_path / "models"): [mine],  # its output, of which DVC says both
        str(tmp_path / "other.py"): [another],
    }
    RWLOCK.write_text(json.dumps({"read": read, "write": {str(tmp_path / "models"): mine}}))
    remember()


def set_(name, text):
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: set_("train.py", "more"), "train.py"),
        (lambda: set_("data/deep/b.py", "more"), "data/deep/b.py"),
        (lambda: set_("data/new.py", ""), "data/new.py"),
        (lambda: Path("data/a.py").unlink(), "data/a.py"),
        (lambda: Path("train.py").unlink(), "train.py"),
    ],
)
def test_what_changed_is_named_and_no_result_is_written(change, named):
    write_text(Path("models/before"), "")
    change()
    words = f"^{named} changed while this ran, and DVC would record .* run dvc repro again$"
    with pytest.raises(UserError, match=words):
        write_text(Path("models/after"), "")
    with pytest.raises(UserError, match=words):
        refuse_changed()
    assert [path.name for path in Path("models").iterdir()] == ["before"]
    with pytest.raises(UserError, match=words):
        write_text(Path("checkpoints/last"), "")
    assert Path("checkpoints/last").exists(), "to go on from, if the change is undone"


def test_code_that_is_not_what_runs_is_refused(monkeypatch, tmp_path):
    here = "src/whitepatch/training/step.py"
    Path("src").mkdir()
    set_(here, "new")
    read = {str(tmp_path / here): [{"pid": os.getppid(), "cmd": "dvc repro"}]}
    RWLOCK.write_text(json.dumps({"read": read, "write": {}}))
    monkeypatch.setattr(unchanged, "PACKAGE", tmp_path / "another")
    (tmp_path / "another").mkdir()
    for content in (None, "old"):
        if content:
            (tmp_path / "another/steps.py").write_text(content)
        with pytest.raises(UserError, match=f"^{here} is not what runs, .* export PYTHONPATH=src"):
            remember()
    (tmp_path / "another/steps.py").write_text("new")
    remember()


def test_what_was_another_while_it_was_read_and_is_the_same_again_is_refused(monkeypatch, tmp_path):
    dependency = {str(tmp_path / "params.yaml"): [{"pid": os.getppid(), "cmd": "dvc repro"}]}
    RWLOCK.write_text(json.dumps({"read": dependency, "write": {}}))
    monkeypatch.setattr(unchanged, "_keys", lambda _: ["mine"])
    set_("params.yaml", "{mine: 1, other: 1}")
    remember()
    for text, good in (("{mine: 1, other: 2}", True), ("{mine: 2, other: 1}", False)):
        set_("params.yaml", text)
        plain_yaml.read(Path("params.yaml"))
        set_("params.yaml", "{mine: 1, other: 1}")
        if good:
            refuse_changed()
        else:
            with pytest.raises(UserError, match=r"^mine in params\.yaml changed while this ran, "):
                refuse_changed()


def test_code_that_is_written_to_while_it_is_imported_is_refused():
    refuse_touched()
    Path("data/a.py").chmod(0o600)
    os.link("data/a.py", "another")
    refuse_touched()  # DVC links, and protects
    before = Path("train.py").read_text()
    set_("train.py", "more")
    set_("train.py", before)
    os.utime("train.py", (1, 1))  # two writes may be as fast as the clock
    with pytest.raises(UserError, match=r"^train\.py was written to while this started; run dvc"):
        refuse_touched()
    refuse_changed()  # it is the same
    Path("train.py").unlink()
    with pytest.raises(UserError, match=r"^train\.py was written to while this started"):
        refuse_touched()


def test_what_is_no_other_content_is_no_change(root, monkeypatch):
    shutil.copy(root / ".dvcignore", ".")
    for name in ("train.py", "data/a.py"):
        os.utime(name, (1, 1))
        set_(name, "more")
        set_(name, name)
    for name in ("other.py", "data/.a.py.swp", "data/a.py~", "data/__pycache__/a.pyc", "models/x"):
        set_(name, "an editor's, Python's, another's, or made just now")
    refuse_changed()
    set_("train.py", "more")
    monkeypatch.delenv("DVC_STAGE")
    remember()
    refuse_changed()  # without DVC nothing is recorded
