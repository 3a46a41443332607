"""Processes that have ended, and numbers that are used again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from whitepatch import processes
from whitepatch.errors import UserError
from whitepatch.processes import RWLOCK, is_running, refuse_orphan, started


@pytest.fixture(scope="module")
def dead():
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_number_that_is_used_again_is_another_process(dead):
    me = os.getpid()
    assert is_running(me)
    assert is_running(me, started(me))
    assert not is_running(me, started(me) - 60)
    assert not is_running(me, 0.0), "who had ended when it was written down"
    assert not is_running(dead)
    assert started(dead) == 0.0


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Stand in a folder of DVC, as one of its stages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "report@demo")
    RWLOCK.parent.mkdir(parents=True)

    def held(process):
        info = {"pid": process, "cmd": "dvc repro"}
        RWLOCK.write_text(json.dumps({"write": {"/reports": info}, "read": {}}))

    return held


def test_who_was_started_by_the_dvc_that_runs_the_stage_goes_on(here, dead, monkeypatch):
    here(os.getppid())
    refuse_orphan()
    for other in (dead, os.getpid()):
        here(other)
        with pytest.raises(UserError, match=r"has ended, or \.dvc/tmp/rwlock was removed; "):
            refuse_orphan()
    RWLOCK.unlink()
    with pytest.raises(UserError, match="has ended"):
        refuse_orphan()
    monkeypatch.delenv("DVC_STAGE")
    refuse_orphan()


def test_a_stage_has_the_same_name_in_whatever_folder_dvc_was_called(monkeypatch):
    for name in ("train@demo-cnn", "../dvc.yaml:train@demo-cnn", "a:b/dvc.yaml:train@demo-cnn"):
        monkeypatch.setenv("DVC_STAGE", name)
        assert processes.stage() == "train@demo-cnn"
    monkeypatch.delenv("DVC_STAGE")
    assert processes.stage() == ""


def test_a_lock_of_dvc_that_is_being_written_is_read_again(here, monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        here(os.getppid())

    monkeypatch.setattr(processes.time, "sleep", sleep)
    RWLOCK.write_text('{"write": {')
    refuse_orphan()
    assert len(pauses) == 1
    monkeypatch.setattr(processes.time, "sleep", pauses.append)
    for content in ("", "[]", '{"write": {"/reports": {}}}'):
        RWLOCK.write_text(content)
        with pytest.raises(UserError, match=r"^\.dvc/tmp/rwlock cannot be read; rm \.dvc"):
            refuse_orphan()


def test_a_stage_whose_dvc_was_killed_before_it_began_does_nothing(here, dead, root):
    here(dead)
    command = [sys.executable, "-m", "whitepatch.stages.split", "demo"]
    Path("params.yaml").write_text((root / "params.yaml").read_text())
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    words = "report@demo: DVC, which started this, has ended, or .dvc/tmp/rwlock was removed; "
    words += "nothing more is written\n"
    assert done.stderr == words
    assert not Path("data").exists()
