import contextlib
import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from whitepatch.errors import UserError, run_app
from whitepatch.stages import compare, fetch, split, train
from whitepatch.stages.split import refuse_one_sided
from whitepatch.stages.under_dvc import Begun


@pytest.mark.parametrize(
    ("stage", "arguments", "words"),
    [
        (train.main, ["demo", "resnet"], "no variant 'resnet' in params.yaml; it has cnn,"),
        (split.split, ["mine"], "no experiment 'mine' in params.yaml; it has demo"),
        (fetch.fetch, ["cifar"], "no source 'cifar'; there are stl10, photos"),
    ],
)
def test_a_name_that_is_not_there_is_refused(root, tmp_path, monkeypatch, stage, arguments, words):
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "params.yaml", tmp_path)
    with pytest.raises(UserError, match=words):
        stage(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("under", "line"),
    [("", "params.yaml is not here; "), ("../dvc.yaml:fetch@x", "fetch@x: params.yaml is not ")],
)
def test_a_stage_outside_of_the_project_is_one_line_and_leaves_nothing(tmp_path, under, line):
    """Under DVC the line names the stage; begun in a folder of the project, DVC adds its file."""
    done = subprocess.run(
        [sys.executable, "-m", "whitepatch.stages.fetch", b"a\xff"],
        cwd=tmp_path,
        env=os.environ | {"DVC_STAGE": under},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(line)
    assert not list(tmp_path.iterdir())


def test_an_overview_of_nothing_is_refused(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "params.yaml", tmp_path)
    with pytest.raises(
        UserError,
        match=r"^no experiment has results of all variants in params\.yaml; run make demo",
    ):
        compare.main()
    assert capsys.readouterr().err.startswith("compare: demo has not run yet")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EROFS, "Read-only file system", "a.csv"), "a.csv: Read-only file system; "),
        (OSError(errno.ENOSPC, "No space"), "a file: No space left on device; free some space"),
        (UserError("a name\nin two lines"), "a name in two lines"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "reports/demo/contact_sheet.png"),
            "reports/demo/contact_sheet.png is missing; make it: dvc repro report@NAME",
        ),
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
                "7.6 GiB of which 1.1 GiB is free. Process 4711 has 6.5 GiB memory in use."
            ),
            "the GPU's memory is full; what is trained is kept: end what else is on it",
        ),
        (
            RuntimeError(
                "CUDA error: no kernel image is available for execution on the device\nCompile ..."
            ),
            "the installed torch is not for such a GPU; say device: cpu in params.yaml (CUDA",
        ),
    ],
)
def test_what_the_machine_refuses_is_one_line(capsys, error, line):
    def refused():
        raise error

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
        KeyError("ours"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_what_may_be_our_own_fault_keeps_its_traceback(error):
    def refused():
        raise error

    with pytest.raises(type(error)):
        run_app(refused)


ORPHAN = """
import subprocess, sys
stage = "import os, time; from whitepatch import programs; programs.end_with_parent(os.getppid());"
child = subprocess.Popen([sys.executable, "-c", stage + " print(1, flush=True); time.sleep(60)"])
print(child.pid, flush=True)
child.wait()
"""


def test_a_stage_ends_when_its_dvc_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True
    ) as parent:
        stage = int(parent.stdout.readline())
        parent.stdout.readline()
        os.kill(stage, 0)
        parent.kill()
    gone = time.monotonic() + 5
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(stage).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < gone
            time.sleep(0.01)


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    """Stand in a copy of the project, whose code is imported."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(root / "src", "src")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(root / name, ".")
    return tmp_path


def edit(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


STEP = "src/whitepatch/training/step.py"
PAGE = "src/whitepatch/report/templates/report.md"
SEEDS = ("seeds: [0, 1]\n      epochs", "seeds: [0, 2]\n      epochs")


@pytest.mark.parametrize(
    ("stage", "path", "change", "named"),
    [
        ("train@demo-cnn", STEP, ("", "#"), STEP),
        ("train@demo-cnn", "src/whitepatch/models/variants/cnn.py", ("", "#"), "src/.*/cnn.py"),
        ("train@demo-cnn", "src/whitepatch/maps/extract.py", ("", "#"), None),
        ("train@demo-cnn", "params.yaml", SEEDS, "experiments.demo.train in params.yaml"),
        ("train@photos-cnn", "params.yaml", SEEDS, None),
        (
            "train@demo-cnn",
            "params.yaml",
            ("threads: 2", "threads: 3"),
            "experiments.demo.runtime in params.yaml",
        ),
        ("split@demo", "src/whitepatch/sources/photos/crops.py", ("", "#"), "src/.*/crops.py"),
        ("split@demo", "src/whitepatch/sources/stl10/fetch.py", ("", "#"), None),
        ("split@demo", "params.yaml", ("darkest: 0.4", "darkest: 0.5"), "sources.photos in"),
        ("report@demo", PAGE, ("", "#"), PAGE),
        ("report@demo", "params.yaml", ("# Every", "# Each"), None),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_changed_while_a_stage_ran_is_named(monkeypatch, stage, path, change, named):
    monkeypatch.setenv("DVC_STAGE", stage)
    begun = Begun.now()
    begun.refuse_changed()
    edit(path, *change)
    if named is None:
        begun.refuse_changed()
        return
    with pytest.raises(UserError, match=f"^{named}.* changed while this ran, .* dvc repro again$"):
        begun.refuse_changed()


@pytest.fixture
def begun(project, monkeypatch):
    """Return what a training began with."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_STAGE", "train@demo-cnn")
    return Begun.now()


def test_code_that_is_gone_has_changed(begun):
    Path(STEP).unlink()
    with pytest.raises(UserError, match=f"^{STEP} changed while this ran"):
        begun.refuse_changed()


def test_parameters_that_cannot_be_read_any_more_are_refused(begun):
    edit("params.yaml", "cells:", "]")
    with pytest.raises(UserError, match=r"params\.yaml is no readable YAML"):
        begun.refuse_changed()


@pytest.mark.usefixtures("begun")
def test_another_clones_code_is_refused():
    edit(STEP, '"""', '"""More. ')
    with pytest.raises(UserError, match=f"^{STEP} is not what runs, .* export PYTHONPATH=src$"):
        Begun.now()


def changed(everything, section, **values):
    experiment = everything.experiment("demo")
    part = getattr(experiment, section).model_copy(update=values)
    return experiment.model_copy(update={section: part})


@pytest.mark.parametrize(("probability", "label"), [(1e-9, 0), (1 - 1e-9, 1)])
def test_a_split_that_is_all_one_answer_is_refused(everything, probability, label):
    for name, experiment in everything.experiments.items():
        refuse_one_sided(name, experiment)
    words = rf"^experiments\.demo\.split\.train must hold .*, got only label {label};"
    with pytest.raises(UserError, match=words):
        refuse_one_sided("demo", changed(everything, "patch", probability=probability))


@pytest.mark.parametrize("plan", ["per_image", "per_batch"])
def test_what_is_scored_must_have_both_answers(everything, plan):
    experiment = changed(everything, "patch", plan=plan)
    refused = set()
    for first in range(20):
        score = experiment.score.model_copy(update={"first": first, "images": 1})
        with pytest.raises(UserError, match=r"score\.images must hold .* label [01];") as error:
            refuse_one_sided("demo", experiment.model_copy(update={"score": score}))
        refused.add(str(error.value))
    assert len(refused) == 2, "some have a patch, some have none"
