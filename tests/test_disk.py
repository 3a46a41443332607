"""A disk that is full, a folder that cannot be written: one line, and all is as it was."""

import os
import resource
import shutil
import sys

import pytest
from helpers.project import results, run

STAGES = {
    "fetch": ["photos"],
    "split": ["tiny"],
    "train": ["tiny", "cnn"],
    "evaluate": ["tiny", "cnn"],
    "report": ["tiny"],
    "publish": ["tiny"],
}
"""Each with the arguments of one of it."""


@pytest.fixture
def folder(made, tmp_path):
    """Return a copy of the project in miniature."""
    return shutil.copytree(made, tmp_path / "copy")


def left_behind(folder):
    """Return what is half-written."""
    places = [folder / place for place in ("data", "models", "reports")]
    files = [path for place in places for path in place.rglob(".*")]
    return [path for path in files if path.name != ".gitignore"]


def refused(folder, verb, *before, **how):
    """Run a stage that cannot write; return the one line that it ends with."""
    command = [*before, sys.executable, "-m", f"whitepatch.stages.{verb}", *STAGES[verb]]
    status, said = run(folder, *command, **how)
    assert status == 2, said
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="coverage could not write, either")
@pytest.mark.pipeline
@pytest.mark.parametrize("verb", STAGES)
def test_a_full_disk_is_told_in_a_line_and_nothing_is_half_written(folder, verb):
    """The kernel refuses every file of more than 64 bytes, as a full disk would."""
    before = results(folder)

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    line = refused(folder, verb, preexec_fn=full)
    assert "free some space" in line or "could not be written" in line, line
    assert results(folder) == before
    assert not left_behind(folder)


@pytest.fixture
def readonly(folder):
    """Return a command before the command, in which nothing of the folder can be written."""
    if os.getuid() == 0:
        # root may write whatever its permissions, but not to a file system that is read-only
        mount = f"mount --bind '{folder}' '{folder}' && mount -o remount,bind,ro '{folder}'"
        before = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            f"{mount} && cd '{folder}' && exec \"$@\"",
            "sh",
        ]
        if run(folder, *before, "true")[0] != 0:
            pytest.skip("this machine lets nobody mount")
        yield before
        return
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield []
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


@pytest.mark.pipeline
@pytest.mark.parametrize("verb", STAGES)
def test_a_folder_that_cannot_be_written_is_named_and_stays_as_it_is(folder, readonly, verb):
    before = results(folder)
    line = refused(folder, verb, *readonly)
    assert "can be written" in line or "make it writable" in line, line
    assert results(folder) == before
