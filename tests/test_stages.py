import contextlib
import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from helpers.training import small

from whitepatch import paths
from whitepatch.data import layout
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan
from whitepatch.errors import UserError, run_app
from whitepatch.report.losses import Losses
from whitepatch.stages import compare, fetch, report, split, train
from whitepatch.stages.split import refuse_one_sided
from whitepatch.stages.under_dvc import Begun


@pytest.mark.parametrize(
    ("stage", "arguments", "words"),
    [
        (
            train.main,
            ["demo", "resnet"],
            r"no variant 'resnet' in experiments\.demo of params\.yaml; it has cnn,",
        ),
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
        match=r"^no experiment has results of all its variants; run make demo",
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
        (
            "split@demo",
            "src/whitepatch/sources/photos/catalogue.py",
            ("", "#"),
            "src/.*/catalogue.py",
        ),
        ("split@demo", "src/whitepatch/sources/stl10/fetch.py", ("", "#"), None),
        ("split@demo", "params.yaml", ("crops: 72", "crops: 71"), "sources.photos in"),
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


HEADER, PARTS = "seed,split,label\n", ("train", "validation", "test")


@pytest.mark.parametrize("label", [0, 1])
def test_a_split_that_is_all_one_answer_is_refused(everything, label):
    demo = everything.experiment("demo")
    good = "".join(f"{seed},{part},{i % 2}\n" for seed in "01" for part in PARTS for i in range(60))
    refuse_one_sided("demo", demo, HEADER + good)
    bad = good.replace(f"1,train,{1 - label}", f"1,train,{label}")
    words = rf"^experiments\.demo\.split\.train must hold .*, seed 1 got only label {label};"
    with pytest.raises(UserError, match=words):
        refuse_one_sided("demo", demo, HEADER + bad)


def test_what_is_scored_must_have_both_answers(everything):
    """Of rows that are every seed's: their column is empty."""
    table = HEADER + "".join(f",test,{label}\n" for label in (0, 1, 1, 0))
    for first, refused in enumerate((False, True, False)):
        score = everything.experiment("demo").score
        score = score.model_copy(update={"first": first, "images": 2})
        experiment = everything.experiment("demo").model_copy(update={"score": score})
        words = r"score\.images must hold .* seed 0 got only label 1;"
        with pytest.raises(UserError, match=words) if refused else contextlib.nullcontext():
            refuse_one_sided("demo", experiment, table)


class OddScenes:
    """A source of which scenes with odd numbers may be shown."""

    def drawable(self, labels, params):
        del params
        return [label % 2 == 1 for label in labels]


@pytest.fixture
def tested(everything, tmp_path, monkeypatch):
    """Return parameters, an experiment and its test images, nine of as many scenes."""
    monkeypatch.chdir(tmp_path)
    params = small(everything)
    experiment = params.experiments["demo"]
    raw = paths.raw(experiment.source)
    images = np.random.default_rng(2).integers(200, size=(9, 3, 96, 96), dtype=np.uint8)
    layout.write(raw, "train", images, np.arange(1, 10))
    monkeypatch.setattr(report.sources, "find", lambda _: OddScenes())
    tops = np.array([5, -1, 7, 8, -1, 1, 2, 3, 4])[:, None]
    plan = Plan((tops[:, 0] >= 0).astype(int), tops, tops)
    return params, experiment, Part(np.arange(9)[::-1].copy(), images[::-1].copy(), plan)


def test_a_panel_shows_the_first_scored_images_that_may_be_shown(tested):
    params, experiment, test = tested
    panel = report._panel(params, experiment, test)
    assert (experiment.score.first, experiment.score.panel) == (1, 2)
    assert panel.places.tolist() == [1, 3], "of images 1 to 6: scenes 8, 7, 6, 5, 4, 3"
    assert panel.tops.tolist() == panel.lefts.tolist() == [7, -1]
    np.testing.assert_allclose(panel.pictures[1] * 255, test.images[4], atol=1e-4)
    assert (panel.pictures[0][:, 7:23, 7:23] == 1).all(), "with its patch"


def test_of_the_hardest_images_those_that_may_not_be_shown_are_named_alone(tested):
    params, experiment, test = tested
    maps = {"logits": np.array([[3.0, -2, 1]]), "labels": np.array([[0, 1, 0]])}
    maps["rows"] = test.rows[None, :3]
    losses = Losses.of({"cnn": maps}, np.array([["i", "h", "g"]]))
    hard = report._hard(params, experiment, losses, [test])
    assert [(it.row, it.subject, it.image is None) for it in hard] == [
        (8, "i", False),
        (7, "h", True),
        (6, "g", False),
    ]
    assert sum(it.share for it in hard) == pytest.approx(1)
    assert hard[0].place == (5, 5)
