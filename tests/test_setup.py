"""What `make setup` asks of an environment; nothing is installed here."""

import shutil
import subprocess
import sys

import pytest
from helpers.project import environment, run

INSTALLS = '\t@"$(PYTHON)" -m venv'
SMALL = """\
	@"$(PYTHON)" -m venv --clear --without-pip $(ENV)
	@echo "$(CURDIR)/src" > $$(echo $(ENV)/lib/python3.*/site-packages)/here.pth
	@$(PINS) > $(ENV)/ready
	@echo made >> made
"""
"""Stands for what installs 6 GB."""

OTHER = f"""#!{sys.executable}
import runpy, sys
sys.version, (kind, what) = "another", sys.argv[1:3]
sys.argv[:3] = [what]
exec(what) if kind == "-c" else runpy.run_module(what, run_name="__main__")
"""
"""Stands for a Python of another version that can be named."""


@pytest.fixture
def project(root, tmp_path):
    """Return a folder in which `make setup` makes a small environment."""
    folder = tmp_path / "a project"
    (folder / "src/whitepatch").mkdir(parents=True)
    (folder / "src/whitepatch/__init__.py").touch()
    rules = (root / "Makefile").read_text().partition(INSTALLS)[0]
    (folder / "Makefile").write_text(rules + SMALL)
    for name in ("requirements.txt", "pyproject.toml"):
        (folder / name).write_text(name)
    return folder


def made(folder, *given):
    """Run `make setup` there; return how often an environment has been made."""
    status, said = run(folder, "make", *given, "setup")
    assert (status, said) == (0, "")
    return (folder / "made").read_text().count("made")


def test_an_environment_is_made_once_and_anew_when_it_no_longer_fits(project, tmp_path):
    alone = environment(project)
    command = [str(shutil.which("make")), "setup"]
    both = [subprocess.Popen(command, cwd=project, env=alone) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert made(project) == 1
    (project / "requirements.txt").touch()
    assert made(project) == 1
    (project / "requirements.txt").write_text("other pins")
    assert made(project) == 2
    shutil.rmtree(project / ".venv/bin")
    assert made(project) == 3
    assert made(project, f"PYTHON={sys.executable}") == 3
    another = tmp_path / "another"
    another.write_text(OTHER)
    another.chmod(0o755)
    assert made(project, f"PYTHON={another}") == 4
    status, said = run(project, "make", "PYTHON=nobodys", "setup")
    assert (status, said.count("\n")) == (2, 3)
    assert said.startswith("Python 3.11 or 3.12 is needed; say which: ")
    copied = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    assert made(copied) == 5
    shutil.rmtree(copied / ".venv")
    (copied / ".venv").symlink_to(project / ".venv")
    assert made(copied) == 6
    assert made(project) == 4, "what is another folder's stays as it is"
