"""A disk that is full: one line, and all is as it was."""

import os
import resource
import shutil
import sys

import pytest
from helpers.project import results, run

STAGES = {"fetch": ["photos"], "train": ["tiny", "cnn"], "report": ["tiny"]}
"""Each with the arguments of one of it."""


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="coverage could not write, either")
@pytest.mark.pipeline
@pytest.mark.parametrize("verb", STAGES)
def test_a_full_disk_is_told_in_a_line_and_nothing_is_half_written(made, tmp_path, verb):
    """The kernel refuses every file of more than 64 bytes, as a full disk would."""
    folder = shutil.copytree(made, tmp_path / "copy")
    before = results(folder)

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    command = (sys.executable, "-m", f"whitepatch.stages.{verb}", *STAGES[verb])
    status, said = run(folder, *command, preexec_fn=full)
    assert status == 2, said
    assert "Traceback" not in said
    assert "free some space" in said.strip().splitlines()[-1], said
    assert results(folder) == before
    places = (folder / place for place in ("data", "models", "reports"))
    assert not [path for place in places for path in place.rglob(".*.partial*")]
