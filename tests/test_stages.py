import shutil
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["train", "demo", "resnet"], "no variant 'resnet' in params.yaml; it has cnn,"),
        (["split", "mine"], "no experiment 'mine' in params.yaml; it has demo"),
        (["fetch", "cifar"], "no source 'cifar'; there are stl10, photos"),
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
