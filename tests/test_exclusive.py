"""Of a stage only one process runs at a time, and it leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from whitepatch.errors import UserError
from whitepatch.exclusive import exclusive, tidy

HOLDER = """
import sys
from whitepatch.exclusive import exclusive
with exclusive("train@demo-cnn"):
    print("held", flush=True)
    sys.stdin.read()
"""

STAGE = """
import sys
from whitepatch.stages import run
def stage(name: str, variant: str) -> None:
    print("runs", flush=True)
    sys.stdin.read()
run(stage)
"""


def started(program, *arguments):
    return subprocess.Popen(
        [sys.executable, program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").touch()


def test_who_comes_second_is_refused_with_the_process_and_the_cure(tmp_path):
    (tmp_path / "holder.py").write_text(HOLDER)
    with started("holder.py") as other:
        assert other.stdout.readline() == "held\n"
        words = rf"^train@demo-cnn is running already, as process {other.pid}.*kill {other.pid}"
        with pytest.raises(UserError, match=words), exclusive("train@demo-cnn"):
            pass
        with exclusive("train@demo-cbam"):
            pass
        owner = Path("checkpoints/train@demo-cnn.pid")
        for content in (b"", b"\xff\xfe", b"rm -r ."):
            owner.write_bytes(content)
            with (
                pytest.raises(UserError, match="as process unknown; let it finish, or stop it, "),
                exclusive("train@demo-cnn"),
            ):
                pass
        other.kill()
    with exclusive("train@demo-cnn"):
        pass
    assert not list(Path("checkpoints").iterdir()), "a killed one's is taken over, then removed"


def test_what_a_killed_one_held_is_removed_and_what_is_held_is_not(tmp_path):
    (tmp_path / "holder.py").write_text(HOLDER)
    with exclusive("split@demo"):
        with started("holder.py") as other:
            assert other.stdout.readline() == "held\n"
            tidy()
            with pytest.raises(UserError), exclusive("train@demo-cnn"):
                pass
            other.kill()
        held = {"split@demo", "train@demo-cnn"}
        assert {path.stem for path in Path("checkpoints").iterdir()} == held
        tidy()
        assert {path.stem for path in Path("checkpoints").iterdir()} == {"split@demo"}
    assert not list(Path("checkpoints").iterdir())


def test_a_stage_that_stops_by_itself_leaves_nothing():
    owners = []

    def diverge():
        owners.append(Path("checkpoints/split@demo.pid").read_text())
        raise FloatingPointError

    with pytest.raises(FloatingPointError), exclusive("split@demo"):
        diverge()
    assert owners == [str(os.getpid())]
    assert not list(Path("checkpoints").iterdir())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_every_stage_is_held_by_its_own_name(tmp_path, how):
    program = tmp_path / "evaluate.py"
    program.write_text(STAGE)
    with started(program, "demo", "cnn") as first:
        assert first.stdout.readline() == "runs\n"
        with started(program, "demo", "cnn") as second:
            said = second.communicate()[1]
            assert second.returncode == 2
            assert said.startswith(f"evaluate@demo-cnn is running already, as process {first.pid};")
            assert said.count("\n") == 1
        with started(program, "demo", "cbam") as other:
            assert other.communicate()[0] == "runs\n"
            assert other.returncode == 0
        first.send_signal(how)
    with started(program, "demo", "cnn") as again:
        again.communicate()
        assert again.returncode == 0
    assert not list(Path("checkpoints").iterdir())


@pytest.mark.parametrize("name", ["../../x", "a/b", "ä b", "."])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    program = tmp_path / "fetch.py"
    program.write_text(STAGE)
    with started(program, name, "x") as stage:
        stage.communicate()
        assert stage.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "fetch.py",
        "params.yaml",
        "checkpoints",
    }
    assert not list(Path("checkpoints").iterdir())
