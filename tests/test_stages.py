import errno
import shutil
import subprocess
import sys

import pytest
from safetensors import SafetensorError

from whitepatch.errors import UserError
from whitepatch.stages import run_app


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["train", "demo", "resnet"], "no variant 'resnet' in params.yaml; it has cnn,"),
        (["split", "mine"], "no experiment 'mine' in params.yaml; it has demo"),
        (["fetch", "cifar"], "no source 'cifar'; there are stl10, photos"),
        (
            ["split", b"a\xff"],
            r"no experiment 'a\udcff' in params.yaml",
        ),  # no character of any sort
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(root, tmp_path, command, words):
    shutil.copy(root / "params.yaml", tmp_path)
    stage, *arguments = command
    done = subprocess.run(
        [sys.executable, "-m", f"whitepatch.stages.{stage}", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_stage_outside_of_the_project_leaves_nothing_there(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "whitepatch.stages.train", "demo", "cnn"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "params.yaml is not here; run this from the project's root\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "said"), [("KeyboardInterrupt", "Aborted!\n"), ("SystemError", "Traceback")]
)
def test_an_interruption_while_modules_are_read_needs_no_traceback(tmp_path, error, said):
    program = f"import whitepatch.stages\nraise {error}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.startswith(said)


def test_an_overview_of_nothing_is_refused(root, tmp_path):
    shutil.copy(root / "params.yaml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "whitepatch.stages.compare"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    *why, last = done.stderr.splitlines()
    assert last == "no experiment has results yet; run: make demo"
    assert next(line.split()[:2] for line in why) == ["compare:", "demo"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EROFS, "Read-only file system", "a.csv"), "a.csv: Read-only file system; "),
        (
            SafetensorError("Error while serializing: I/O error: No space (os error 28)"),
            "a file of weights: No space left on device; free some space",
        ),
        (UserError("a name\nin two lines"), "a name in two lines"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "reports/demo/contact_sheet.png"),
            "reports/demo/contact_sheet.png is missing; let DVC make it first: ",
        ),
    ],
)
def test_what_the_machine_refuses_is_one_line(capsys, monkeypatch, error, line):
    def refused():
        raise error

    monkeypatch.delenv("DVC_STAGE", raising=False)
    with pytest.raises(SystemExit) as ended:
        run_app(refused)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENXIO, "No such device or address"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "house.mplstyle"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        SafetensorError("Error while deserializing header: invalid JSON in header"),
        SafetensorError("I/O error: odd (os error 6)"),
    ],
)
def test_what_may_be_our_own_fault_keeps_its_traceback(error):
    def refused():
        raise error

    with pytest.raises(type(error)):
        run_app(refused)
