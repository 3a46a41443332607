"""Several at once on one machine: each works or is refused in words; nothing is lost."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import pytest
from helpers.project import environment, load, results, run
from helpers.ui import free_port, opened

pytestmark = pytest.mark.pipeline

REFUSALS = ("is running already, as process", "is busy", "Unable to acquire lock", "locked")
"""Ours, and DVC's own."""


@pytest.fixture
def folder(made, tmp_path):
    """Return a copy of the project in miniature, committed."""
    target = shutil.copytree(made, tmp_path.resolve() / "copy")
    who = ["-c", "user.name=she", "-c", "user.email=she@example.org"]
    run(target, "git", "add", "-A")
    status, said = run(target, "git", *who, "commit", "-qm", "All")
    assert status == 0, said
    return target


def started(folder, *command):
    """Start a command; its output is read at its end."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def forget(folder):
    """Let DVC make everything anew."""
    shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)
    shutil.rmtree(folder / "models")
    (folder / "dvc.lock").unlink()


def test_two_at_once_in_one_folder_end_in_the_same_bytes(folder, made):
    forget(folder)
    both = [started(folder, "dvc", "repro", "report@tiny") for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    for process, words in zip(both, said, strict=True):
        assert "Traceback" not in words
        assert process.returncode == 0 or any(refusal in words for refusal in REFUSALS), words
    status, words = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, words
    assert results(folder) == results(made)
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")


@pytest.fixture
def training(folder):
    """Return a training under DVC that is stopped in the middle, and what lets it go on."""
    command = ("dvc", "repro", "-f", "-s", "train@tiny-cnn")
    dvc = started(folder, *command)
    lock = folder / "checkpoints/train@tiny-cnn.pid"
    while not lock.exists() or not (trainer := lock.read_text()):
        assert dvc.poll() is None
        time.sleep(0.01)
    os.kill(int(trainer), signal.SIGSTOP)

    def ended():
        os.kill(int(trainer), signal.SIGCONT)
        return dvc.communicate()[0]

    return ended


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


STEP = "src/whitepatch/training/step.py"
RATE = ("learning_rate: 0.005", "learning_rate: 0.002")


@pytest.mark.parametrize(
    ("path", "change", "named"),
    [
        ("params.yaml", RATE, "experiments.tiny.train in params.yaml"),
        ("params.yaml", ("  ", "]"), "params.yaml"),
        (
            "src/whitepatch/training/step.py",
            ('"""', '"""More. '),
            "src/whitepatch/training/step.py",
        ),
    ],
)
def test_what_is_edited_while_it_is_used_is_never_recorded(
    folder, made, training, path, change, named
):
    before = (folder / path).read_text()
    edit(folder / path, *change)
    said = training()
    assert f"train@tiny-cnn: {named} changed while this ran, and DVC would record" in said
    assert "Traceback" not in said
    assert not (folder / "models/tiny/cnn").exists()
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")
    (folder / path).write_text(before)
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert results(folder) == results(made)


def test_what_others_use_may_be_edited(folder, made, training):
    edit(folder / "params.yaml", "panel: 3", "panel: 2")
    edit(folder / "src/whitepatch/maps/extract.py", '"""', '"""More. ')
    (folder / "src/whitepatch/training/step.py").touch()
    said = training()
    assert "changed while" not in said
    assert run(folder, "dvc", "status", "train@tiny-cnn") == (
        0,
        "Data and pipelines are up to date.\n",
    )
    model = folder / "models/tiny/cnn"
    assert {x.name: x.read_bytes() for x in model.iterdir()} == {
        x.name: x.read_bytes() for x in (made / "models/tiny/cnn").iterdir()
    }


def test_two_branches_at_once_with_one_cache_each_get_their_own(folder, made, tmp_path):
    other = tmp_path.resolve() / "other"
    status, said = run(folder, "git", "worktree", "add", "-q", "-b", "mine", str(other))
    assert status == 0, said
    for place in (folder, other):
        run(place, "dvc", "cache", "dir", "--local", str(tmp_path / "cache"))
    text = (other / "params.yaml").read_text()
    (other / "params.yaml").write_text(text.replace("learning_rate: 0.005", "learning_rate: 0.002"))
    assert (other / "params.yaml").read_text() != text
    forget(folder)
    both = [started(place, "dvc", "repro", "report@tiny") for place in (folder, other)]
    for process in both:
        said = process.communicate()[0]
        assert process.returncode == 0, said
    assert results(folder) == results(made)
    mine, theirs = results(other), results(made)
    assert mine.keys() == theirs.keys()
    path = "reports/tiny/history/cnn.csv"
    assert mine[path] != theirs[path]
    assert run(other, "whitepatch", "verify", "--hashes")[0] == 0
    assert run(folder, "whitepatch", "verify", "--hashes")[0] == 0


def test_whoever_looks_publishes_or_pulls_while_a_training_runs_disturbs_nothing(
    folder, made, tmp_path
):
    run(folder, "dvc", "remote", "add", "--local", "--default", "team", str(tmp_path / "shared"))
    assert run(folder, "dvc", "push")[0] == 0
    assert run(folder, "whitepatch", "publish")[0] == 0
    # stopped in the middle, so that all else meets it there
    training = started(folder, "dvc", "repro", "-f", "-s", "train@tiny-cnn")
    lock = folder / "checkpoints/train@tiny-cnn.pid"
    while not lock.exists():
        assert training.poll() is None
        time.sleep(0.01)
    trainer = int(lock.read_text())
    os.kill(trainer, signal.SIGSTOP)
    try:
        second = run(folder, sys.executable, "-m", "whitepatch.stages.train", "tiny", "cnn")
        assert second[0] == 2
        assert f"as process {trainer}; let it finish, or stop it" in second[1]
        # of the variant that is trained just now the results are gone until it has ended
        status, said = run(folder, "whitepatch", "publish", "tiny", timeout=120)
        assert status in (0, 2), said
        assert "Traceback" not in said
        with opened(folder, port := free_port()) as (server, said):
            assert "no experiment has all its results here" in said
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
                assert page.status == 200
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=30) == 0
        pull = started(folder, "dvc", "pull", "--allow-missing")
        try:
            said = pull.communicate(timeout=20)[0]
            assert pull.returncode == 0 or any(refusal in said for refusal in REFUSALS), said
        except subprocess.TimeoutExpired:
            pull.send_signal(signal.SIGINT)  # it waits
            pull.communicate()
    finally:
        os.kill(trainer, signal.SIGCONT)
    said = training.communicate()[0]
    status, words = run(folder, "dvc", "repro", "publish@tiny")
    assert status == 0, said + words
    assert results(folder) == results(made)
    with closing(sqlite3.connect(folder / "mlflow/mlflow.db")) as store:
        query = "SELECT COUNT(*) FROM runs WHERE lifecycle_stage = 'active'"
        assert store.execute(query).fetchone() == (7,)
