"""DVC killed, code edited, a second trainer, while a training runs under DVC."""

import os
import shutil
import signal
import subprocess
import sys
import time
from math import inf

import pytest
from helpers.project import environment, load, results, run
from torture import computed, stage_of

pytestmark = pytest.mark.pipeline

TRAIN = ("dvc", "repro", "-f", "-s", "train@tiny-cnn")
STEP = "src/whitepatch/training/step.py"


@pytest.fixture
def folder(made, tmp_path):
    """Return a copy of the project in miniature."""
    return shutil.copytree(made, tmp_path.resolve() / "copy")


def started(folder):
    """Start DVC with a training; its output is read at its end."""
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(TRAIN, cwd=folder, env=environment(folder), **said)


def checkpoints(folder):
    return {path.name for path in (folder / "checkpoints").glob("tiny-cnn-*.safetensors")}


@pytest.fixture
def training(folder):
    """Return a DVC and its training, which is stopped behind its first checkpoint."""
    with started(folder) as dvc:
        trainer = stage_of(dvc)
        while not checkpoints(folder):
            assert dvc.poll() is None
            time.sleep(0.01)
        trainer.send_signal(signal.SIGSTOP)
        yield dvc, trainer


def test_a_training_ends_with_its_dvc_and_goes_on_from_its_checkpoint(folder, made, training):
    dvc, trainer = training
    dvc.kill()
    dvc.wait()
    trainer.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 1
    while computed(trainer) < inf:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    seen = kept = checkpoints(folder)
    with started(folder) as dvc:
        while dvc.poll() is None:
            seen = seen | checkpoints(folder)
            time.sleep(0.01)
        assert dvc.returncode == 0, dvc.stdout.read()
    assert kept < seen, "the second seed"
    assert len(seen) == 2, "the first goes on under the same name"
    assert not checkpoints(folder)
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert results(folder) == results(made)
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")


@pytest.mark.parametrize(
    ("path", "change", "named"),
    [
        ("params.yaml", ("rate: 0.005", "rate: 0.002"), "experiments.tiny.train in params.yaml"),
        (STEP, ('"""', '"""More. '), STEP),
    ],
)
def test_what_is_edited_while_it_is_used_is_never_recorded(
    folder, made, training, path, change, named
):
    dvc, trainer = training
    text = (folder / path).read_text()
    (folder / path).write_text(text.replace(*change))
    assert (folder / path).read_text() != text
    trainer.send_signal(signal.SIGCONT)
    said = dvc.communicate()[0]
    line = f"train@tiny-cnn: {named} changed while this ran, and DVC would record"
    assert sum(one.startswith(line) for one in said.splitlines()) == 1, said
    assert "Traceback" not in said
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")
    (folder / path).write_text(text)
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert results(folder) == results(made)


def test_what_others_use_may_be_edited_and_a_second_trainer_is_refused(folder, made, training):
    dvc, trainer = training
    for path in ("src/whitepatch/maps/extract.py", "src/whitepatch/report/page.py"):
        (folder / path).write_text((folder / path).read_text() + "# more\n")
    os.utime(folder / STEP)
    second = run(folder, sys.executable, "-m", "whitepatch.stages.train", "tiny", "cnn")
    assert second[0] == 2
    assert second[1].startswith("another process trains cnn of tiny already; let it finish")
    assert second[1].count("\n") == 1
    trainer.send_signal(signal.SIGCONT)
    said = dvc.communicate()[0]
    assert dvc.returncode == 0, said
    model = "models/tiny/cnn"
    now, before = ({x.name: x.read_bytes() for x in (p / model).iterdir()} for p in (folder, made))
    assert now == before
