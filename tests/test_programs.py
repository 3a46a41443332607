"""What the caller's environment can do to the programs that we start."""

import os
import subprocess
import sys

import pytest
from helpers.alone import alone

from whitepatch import programs

SOMEBODYS = {
    "BASH_ENV": "/nowhere",
    "GIT_DIR": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere",
    "GIT_SSH_COMMAND": "ssh -4",
    "MLFLOW_EXPERIMENT_NAME": "hers",
    "MLFLOW_STATIC_PREFIX": "/hers",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "OMP_THREAD_LIMIT": "1",
    "PIP_USER": "1",
    "PYTHONOPTIMIZE": "2",
    "SHELL": "/usr/sbin/nologin",
    "SOMETHING": "else",
}


@pytest.fixture
def somebodys(monkeypatch):
    """An environment in which much is set."""
    monkeypatch.setattr(os, "environ", dict(SOMEBODYS))


@pytest.mark.usefixtures("somebodys")
def test_what_is_ours_to_decide_is_not_passed_on(root):
    kept = ("GIT_SSH_COMMAND", "MLFLOW_TRACKING_URI", "SOMETHING")
    ours = {"SHELL": "/bin/sh", "PYTHONPATH": str(root / "src"), "MLFLOW_BACKEND": "set by us"}
    expected = {name: SOMEBODYS[name] for name in kept} | ours
    del os.environ["PYTEST_CURRENT_TEST"]
    assert programs.environment(MLFLOW_BACKEND="set by us") == expected
    del expected["MLFLOW_TRACKING_URI"]
    assert programs.environment("MLFLOW_", MLFLOW_BACKEND="set by us") == expected


@pytest.mark.usefixtures("somebodys")
def test_tests_see_nobodys_servers_and_repositories(tmp_path):
    alone(tmp_path)
    assert {name for name in SOMEBODYS if name in os.environ} == {"SHELL", "SOMETHING"}
    assert os.environ["SHELL"] == "/bin/sh"
    assert os.environ["HOME"] == str(tmp_path)


def test_a_command_runs_in_it():
    show = "import os; print(*map(os.environ.get, ('SHELL', 'MPLBACKEND', 'PYTHONPATH')))"
    done = subprocess.run(
        [sys.executable, "-I", "-m", "whitepatch.programs", sys.executable, "-c", show],
        env=os.environ | SOMEBODYS | {"PYTHONHOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("/bin/sh None /")


def test_what_computes_starts_anew_once(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execve", lambda *given: started.append(given[2]))
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "1"})
    programs.compute_as_asked()
    assert not started, "the number of threads is harmless"
    monkeypatch.setenv("OMP_DYNAMIC", "true")
    programs.compute_as_asked()
    assert len(started) == 1
    assert "OMP_DYNAMIC" not in started[0]
    monkeypatch.setattr(os, "environ", started[0] | {"KMP_INIT_AT_FORK": "FALSE"})
    programs.compute_as_asked()
    assert len(started) == 1, "a library has set what others might have"


@pytest.mark.parametrize(
    "program",
    [
        "from whitepatch.figures.style import new; new(1, 1).savefig('drawn', format='png')",
        # it is carried by matplotlib, which need not be imported
        "from whitepatch.sources.photos.catalogue import read; read('grace_hopper')"
        ".save('drawn', format='png')",
    ],
)
@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "svg", "x"])
def test_pictures_are_read_and_drawn_whatever_backend_is_named(tmp_path, backend, program):
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=programs.environment(MPLBACKEND=backend),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "drawn").stat().st_size > 100
