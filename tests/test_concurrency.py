"""DVC killed, code edited, a second trainer, while a training runs under DVC."""

import os
import shutil
import signal
import subprocess
import time
from math import inf
from random import Random

import pytest
from helpers.project import cells, environment, load, results, run
from ruamel.yaml import YAML
from torture import computed, stage_of

pytestmark = pytest.mark.pipeline

TRAIN = ("dvc", "repro", "-f", "-s", "train@tiny-cnn")
CELLS = ("whitepatch", "train", "tiny")
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
    return {path.name for path in cells(folder).glob("*.begun.safetensors")}


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
    ("path", "change", "line"),
    [
        (
            "params.yaml",
            ("rate: 0.005", "rate: 0.002"),
            "experiments.tiny.train in params.yaml changed while this ran, and DVC would record",
        ),
        (STEP, ('"""', '"""More. '), "cnn, seed 1: the code changed while this ran"),
    ],
)
def test_what_is_edited_while_it_is_used_is_never_recorded(
    folder, made, training, path, change, line
):
    dvc, trainer = training
    text = (folder / path).read_text()
    (folder / path).write_text(text.replace(*change))
    assert (folder / path).read_text() != text
    trainer.send_signal(signal.SIGCONT)
    said = dvc.communicate()[0]
    started = f"train@tiny-cnn: {line}"
    assert sum(one.startswith(started) for one in said.splitlines()) == 1, said
    assert "Traceback" not in said
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")
    (folder / path).write_text(text)
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert results(folder) == results(made)


def test_what_others_use_may_be_edited(folder, made, training):
    dvc, trainer = training
    for path in ("src/whitepatch/maps/extract.py", "src/whitepatch/report/page.py"):
        (folder / path).write_text((folder / path).read_text() + "# more\n")
    os.utime(folder / STEP)
    trainer.send_signal(signal.SIGCONT)
    said = dvc.communicate()[0]
    assert dvc.returncode == 0, said
    model = "models/tiny/cnn"
    now, before = ({x.name: x.read_bytes() for x in (p / model).iterdir()} for p in (folder, made))
    assert now == before


def kept(folder):
    """Return the finished cells of a copy, byte for byte."""
    return {path.name: path.read_bytes() for path in cells(folder).glob("*.safetensors")}


@pytest.fixture
def bare(made, tmp_path):
    """Return a copy in which DVC would run all trainings, and no cell is finished."""
    folder = shutil.copytree(made, tmp_path.resolve() / "bare")
    shutil.rmtree(folder / ".dvc/cache/runs")
    shutil.rmtree(folder / "models/tiny")
    lock = load(folder / "dvc.lock")
    stages = {name: it for name, it in lock["stages"].items() if not name.startswith("train@")}
    YAML().dump(lock | {"stages": stages}, folder / "dvc.lock")
    return folder


def jobs(folder, ways, most):
    """Run `whitepatch train` in each of some ways; kill each within so many seconds, if finite."""
    random = Random(3)  # noqa: S311 -- no secret
    started = [
        subprocess.Popen(
            (*CELLS, *way), cwd=folder, env=environment(folder), stderr=subprocess.DEVNULL
        )
        for way in ways
    ]
    for job in started:
        if most < inf:
            time.sleep(random.uniform(most / 2, most))
            job.kill()
        assert (job.wait() == 0) or most < inf


@pytest.mark.parametrize(
    "ways",
    [
        [("--cells", f"{part}/4") for part in (1, 2, 3, 4)],
        [("--workers", "3", "--evaluate")],
        pytest.param([("--ray", "local", "--evaluate")], marks=pytest.mark.ray),
    ],
    ids=["slices", "workers", "ray"],
)
def test_however_they_are_trained_and_killed_the_cells_are_the_same(bare, made, ways, request):
    if request.node.get_closest_marker("ray"):
        pytest.importorskip("ray")
    for most in (15.0 if len(ways) == 1 else 8.0, inf):  # killed once, then let be
        jobs(bare, ways, most)
    assert kept(bare) == kept(made.with_name("making"))
    status, said = run(bare, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert ("Running stage 'train@tiny-cnn'" in said) != ("--evaluate" in ways[0]), "not twice"
    assert results(bare) == results(made)
    assert load(bare / "dvc.lock") == load(made / "dvc.lock")


def test_what_dvc_has_kept_is_not_trained(folder, made):
    shutil.rmtree(folder / "models/tiny")
    status, said = run(folder, *CELLS)
    assert status == 0, said
    assert not kept(folder)
    status, said = run(folder, "dvc", "repro", "train@tiny-cnn")
    assert status == 0, said
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")
