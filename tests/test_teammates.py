"""Results pass from one clone to another through a remote: two real clones, three real remotes."""

import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from helpers import remotes
from helpers.project import results, run

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def hers(root, made, tmp_path_factory):
    """Return a clone in which everything has run and is committed, with the project's Makefile."""
    folder = tmp_path_factory.mktemp("hers").resolve() / "clone"
    shutil.copytree(made, folder)
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(root / name, folder)
    assert run(folder, "dvc", "repro", "publish@tiny")[0] == 0
    commit(folder)
    return folder


@pytest.fixture
def theirs(hers, tmp_path):
    """Return a function that clones her clone, with a remote."""

    def clone(remote, name="theirs"):
        folder = tmp_path / name
        assert run(tmp_path, "git", "clone", "-q", str(hers), str(folder))[0] == 0
        join(folder, remote)
        return folder

    return clone


@pytest.fixture
def shared(hers, tmp_path):
    """Return a remote folder that has all that she made."""
    with remotes.folder(tmp_path) as remote:
        join(hers, remote)
        status, said = make(hers, "push")
        assert status == 0, said
        yield remote


def stages(said):
    """Return the stages that DVC says it ran."""
    return re.findall("Running stage '(.*)'", said)


def commit(folder):
    who = ["-c", "user.name=she", "-c", "user.email=she@example.org"]
    assert run(folder, "git", "add", "-A")[0] == 0
    status, said = run(folder, "git", *who, "commit", "-q", "-m", "All that there is")
    assert status == 0, said


def join(folder, remote):
    """Say where the remote is, as docs/teammates.md does."""
    (folder / ".dvc/config.local").unlink(missing_ok=True)
    commands = [["remote", "add", "--local", "--default", "team", remote.url]]
    commands += [["remote", "modify", "--local", "team", *it] for it in remote.local.items()]
    for command in commands:
        status, said = run(folder, "dvc", *command)
        assert status == 0, said


def make(folder, target):
    """Run a target of the Makefile in the environment that the tests run in."""
    return run(folder, "make", "--no-print-directory", "-o", "setup", "RUN=", target)


def shown(folder):
    """Return what MLflow shows: parameters and metrics of every run, by name."""
    with closing(sqlite3.connect(folder / "mlflow/mlflow.db")) as store:
        names = dict(
            store.execute("SELECT run_uuid, name FROM runs WHERE lifecycle_stage = 'active'")
        )
        rows = [
            *store.execute("SELECT run_uuid, key, value, 0 FROM params"),
            *store.execute("SELECT run_uuid, key, value, step FROM metrics"),
        ]
    return {
        name: {tuple(said) for run_id, *said in rows if run_id == it} for it, name in names.items()
    }


@pytest.mark.parametrize("kind", [remotes.folder, remotes.s3, remotes.ssh])
def test_what_one_clone_pushes_another_pulls_and_nothing_is_trained(
    kind, hers, theirs, tmp_path, monkeypatch
):
    with kind(tmp_path) as remote:
        for name, secret in remote.environment.items():
            monkeypatch.setenv(name, secret)
        join(hers, remote)
        status, said = make(hers, "push")
        assert status == 0, said
        folder = theirs(remote)
        status, said = make(folder, "pull")
    assert status == 0, said
    assert stages(said) == []
    assert "Data and pipelines are up to date." in said
    assert results(folder) == results(hers)
    assert run(folder, "git", "status", "--short") == (0, "")
    assert shown(folder) == shown(hers)
    assert len(shown(hers)) == 7
    assert all(shown(hers).values())


def test_the_pictures_are_never_pushed(hers, shared):
    sums = {path.parent.name + path.name for path in shared.place.rglob("*") if path.is_file()}
    assert len(sums) > 10
    cache = hers / ".dvc/cache/files/md5"
    raw = [path for path in (hers / "data/raw/photos").iterdir() if path.suffix == ".bin"]
    assert len(raw) == 2, "one pool, and its labels"
    for path in raw:
        status, said = run(hers, "md5sum", str(path))
        assert status == 0
        digest = said.split()[0]
        assert (cache / digest[:2] / digest[2:]).exists(), "she has it"
        assert digest not in sums, "the remote has not"


def test_one_command_is_enough_in_a_bare_clone(theirs, hers, shared):
    folder = theirs(shared)
    status, said = run(folder, "dvc", "repro", "--pull", "report@tiny")
    assert status == 0, said
    assert stages(said) == ["fetch@photos"], "pictures are never pushed"
    assert results(folder) == results(hers)


def change(folder):
    """Change a parameter and train with it; return the parameters as they were."""
    params = (folder / "params.yaml").read_text()
    other = params.replace("threads: 1", "threads: 2")
    assert other != params
    (folder / "params.yaml").write_text(other)
    status, said = run(folder, "dvc", "repro", "train@tiny-cnn")
    assert status == 0, said
    assert "train@tiny-cnn" in stages(said)
    return params


def test_where_it_was_trained_parameters_that_change_back_train_nothing(hers, tmp_path):
    folder = tmp_path / "clone"
    shutil.copytree(hers, folder)
    before = results(folder)
    (folder / "params.yaml").write_text(change(folder))
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert stages(said) == []
    assert "Stage 'train@tiny-cnn' is cached" in said
    assert results(folder) == before


def test_in_another_clone_git_and_dvc_go_back_together(theirs, hers, shared):
    folder = theirs(shared)
    assert make(folder, "pull")[0] == 0
    change(folder)
    assert run(folder, "git", "checkout", "-q", ".")[0] == 0
    status, said = run(folder, "dvc", "checkout", "--allow-missing")
    assert status == 0, said
    status, said = run(folder, "dvc", "repro", "--allow-missing", "report@tiny")
    assert status == 0, said
    assert stages(said) == []
    assert results(folder) == results(hers)


def test_an_object_that_the_remote_lost_is_named_and_only_its_stage_runs(theirs, hers, shared):
    digest = next(
        line.split()[1]
        for line in (hers / "dvc.lock").read_text().split("path: models/tiny/cnn\n")[1].splitlines()
        if line.strip().startswith("md5:")
    )
    lost = [path for path in shared.place.rglob("*") if digest[2:] in path.name]
    assert lost
    for path in lost:
        path.unlink()
    folder = theirs(shared)
    status, said = make(folder, "pull")
    assert status != 0
    assert "tiny is left out: models/tiny/cnn/training.json is not here" in said
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert stages(said) == ["fetch@photos", "train@tiny-cnn"]
    assert results(folder) == results(hers)


def test_a_remote_that_cannot_be_reached_is_named(theirs):
    folder = theirs(remotes.Remote("/nowhere/shared"))
    status, said = make(folder, "pull")
    assert status != 0
    assert "tiny is left out: models/tiny/cnn/training.json is not here" in said
    assert "Traceback" not in said
    assert run(folder, "git", "status", "--short") == (0, ""), "nothing was taken away"


def test_without_a_remote_push_and_pull_say_how_to_name_one(hers, tmp_path):
    folder = tmp_path / "alone"
    assert run(tmp_path, "git", "clone", "-q", str(hers), str(folder))[0] == 0
    for target in ("push", "pull"):
        status, said = make(folder, target)
        assert status != 0
        assert "docs/teammates.md" in said
        assert "Traceback" not in said


def test_a_push_that_was_cut_off_is_finished_by_the_next(hers, theirs, tmp_path):
    with remotes.folder(tmp_path) as remote:
        join(hers, remote)
        assert run(hers, "dvc", "push", "train@tiny-cnn")[0] == 0
        folder = theirs(remote)
        assert make(folder, "pull")[0] != 0, "half of it is not there"
        assert make(hers, "push")[0] == 0
        status, said = make(folder, "pull")
    assert status == 0, said
    assert results(folder) == results(hers)
