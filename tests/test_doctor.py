import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from helpers.project import miniature, run
from helpers.server import How, serving

from whitepatch import doctor, params
from whitepatch.doctor import kept, machine, served
from whitepatch.doctor.finding import ask
from whitepatch.doctor.leftovers import leftovers

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def fresh(root, tmp_path_factory):
    """Return the project in miniature, committed; nothing has run."""
    folder = miniature(root, tmp_path_factory.mktemp("project"))
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(root / name, folder)
    assert run(folder, "git", "add", "-A")[0] == 0
    me = ["-c", "user.name=me", "-c", "user.email=me@here"]
    assert run(folder, "git", *me, "commit", "-qm", "All")[0] == 0
    return folder


@pytest.fixture
def here(fresh, tmp_path, monkeypatch):
    """Stand in a copy of it."""
    folder = shutil.copytree(fresh, tmp_path / "project")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def dead():
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def changed(everything, section, **values):
    part = getattr(everything, section).model_copy(update=values)
    return everything.model_copy(update={section: part})


def files(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".dvc/tmp" not in str(path)
    }


def test_a_fresh_project_is_well_and_stays_as_it_is(here):
    before = files(here)
    started = time.perf_counter()
    status, said = run(here, sys.executable, "-m", "whitepatch", "doctor")
    assert time.perf_counter() - started < 30, "alone it takes some 6 s"
    assert status == 0, said
    assert files(here) == before
    lines = said.splitlines()
    assert len(lines) == 12
    assert {line[:4] for line in lines} <= {"ok  ", "look"}
    assert "\033" not in said, "no colours where there is no terminal"
    assert "ok    pipeline tiny  has not run; to run it: make tiny" in lines
    assert "ok    git            all is committed" in lines


def test_what_is_bad_is_named_with_its_cure_and_gives_status_1(here):
    (here / "params.yaml").write_text("runtime: 1")
    (here / "mlflow").mkdir()
    (here / "mlflow/mlflow.db").write_text("no tables")
    status, said = run(here, sys.executable, "-m", "whitepatch", "doctor", "--json")
    assert status == 1
    found = {one["what"]: one for one in json.loads(said)}
    bad = {what for what, one in found.items() if one["state"] == "bad"}
    assert bad == {"params.yaml", "MLflow"}
    assert found["params.yaml"]["said"].startswith("params.yaml: runtime:")
    assert found["MLflow"]["cure"].endswith("rm -r mlflow, then: whitepatch publish")
    assert all(one["cure"] for one in found.values() if one["state"] != "ok")


@pytest.mark.usefixtures("empty")
def test_params_that_are_not_here_have_a_cure_of_their_own(monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", {"python": machine.python})
    found = doctor.examine()[0]
    assert (found.what, found.state, found.said) == ("params.yaml", "bad", "not here")
    assert found.cure.endswith("git checkout params.yaml")


@pytest.mark.usefixtures("empty")
def test_params_that_are_no_file_have_a_cure_of_their_own(monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", {"python": machine.python})
    Path("params.yaml").mkdir()
    assert doctor.examine()[0].cure == "a folder lies where a file must be; move it away"
    Path("params.yaml").rmdir()
    os.mkfifo("params.yaml")
    assert doctor.examine()[0].said == "params.yaml must be a file; it is a device or a pipe"


@pytest.mark.usefixtures("empty")
def test_a_folder_that_cannot_be_written_is_bad(monkeypatch):
    assert machine.disk(None)[0].state != "bad"
    Path("models").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != Path("models"))
    (found,) = machine.disk(None)
    assert (found.state, found.said) == ("bad", "models cannot be written")


def test_settings_of_dvc_that_are_a_folder_have_a_cure(empty):
    for name, cure in {
        "config": "rm -r .dvc/config && git checkout .dvc/config",
        "config.local": "rm -r .dvc/config.local",
    }.items():
        (empty / ".dvc" / name).mkdir(parents=True)
        (found,) = doctor._checked("dvc remote", kept.remote, None)
        assert (found.state, found.cure) == ("bad", cure)
        (empty / ".dvc" / name).rmdir()


def test_a_check_that_fails_is_a_finding():
    def fails(_):
        raise ValueError("two\nlines")

    (found,) = doctor._checked("it", fails, None)
    assert (found.state, found.said) == ("bad", "could not be looked at: ValueError: two lines")


def test_a_program_that_does_not_answer_is_given_up():
    started = time.perf_counter()
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    assert ask(*command, seconds=0.5) == (None, "", "")
    assert time.perf_counter() - started < 20


def test_a_package_that_is_not_the_pinned_one_is_bad(root, empty):
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(root / name, empty)
    assert machine.packages(None)[0].state == "ok"
    pins = (empty / "requirements.txt").read_text().replace("\nmlflow==", "\nmlflow==9")
    (empty / "requirements.txt").write_text(pins)
    (found,) = machine.packages(None)
    assert found.state == "bad"
    assert found.said.startswith("mlflow ")
    assert "instead of 9" in found.said
    (empty / "requirements.txt").unlink()
    assert machine.packages(None)[0].state == "look"


@pytest.mark.parametrize(
    ("values", "gpu", "state", "words"),
    [
        ({"device": "auto", "threads": 1}, False, "ok", "CPU (auto), fp32; 1 thread on"),
        ({"device": "auto", "threads": 256}, False, "look", "wait for each other"),
        ({"device": "cuda"}, False, "bad", "driver is not here"),
        ({"device": "auto", "precision": "tf32"}, False, "bad", "driver is not here"),
        ({"device": "auto", "threads": 1}, True, "ok", "GPU (auto)"),
    ],
)
def test_the_device(everything, tmp_path, monkeypatch, values, gpu, state, words):
    monkeypatch.setattr(machine, "GPU", tmp_path if gpu else tmp_path / "nvidiactl")
    (found,) = machine.device(changed(everything, "runtime", **values))
    assert found.state == state
    assert words in found.said


def test_the_disk(everything, empty, monkeypatch):
    assert "0.7 GB to fetch STL-10" in machine.disk(everything)[0].said
    (empty / "data/raw/stl10").mkdir(parents=True)
    assert "STL-10" not in machine.disk(everything)[0].said
    monkeypatch.setattr(machine, "OURS", 1e18)
    assert machine.disk(everything)[0].state == "bad"


def test_git(here, tmp_path, monkeypatch):
    (here / "new").touch()
    assert machine.git(None)[0].said == "1 path changed since the commit"
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path / "none")
    (found,) = machine.git(None)
    assert (found.state, found.said[:27]) == ("bad", "fatal: not a git repository")


def test_a_git_that_is_silent_or_not_here(monkeypatch):
    monkeypatch.setattr(machine, "ask", lambda *_: (None, "", ""))
    assert machine.git(None)[0].said == "git status takes long"
    monkeypatch.setattr(machine, "which", lambda _: None)
    assert machine.git(None)[0].cure == "install git"


def test_another_python_is_bad(monkeypatch):
    assert machine.python(None)[0].state == "ok"
    with monkeypatch.context() as patched:
        patched.setattr(machine.sys, "version_info", (3, 13, 0, "final", 0))
        (found,) = machine.python(None)
    assert (found.state, found.cure) == ("bad", "make PYTHON=/path/to/python3.11 setup")


@pytest.mark.usefixtures("empty")
def test_packages_are_looked_for_in_the_project_alone():
    (found,) = machine.packages(None)
    assert (found.state, found.said) == ("look", "pyproject.toml is not here")


def test_a_cache_that_cannot_be_written_is_bad(here, monkeypatch):
    (here / ".dvc/cache").mkdir(exist_ok=True)
    assert kept.cache(None)[0].said == f"{here}/.dvc/cache can be written"
    # who is root may write everywhere
    monkeypatch.setattr(kept.os, "access", lambda *_: False)
    (found,) = kept.cache(None)
    assert (found.state, found.said) == ("bad", f"{here}/.dvc/cache cannot be written")


@pytest.mark.parametrize(
    ("answer", "state", "said", "cure"),
    [
        ((None, "", ""), "look", "DVC takes long", "dvc status"),
        (
            (255, "", "ERROR: Unable to acquire lock. Most likely another DVC"),
            "look",
            "DVC is at work, or takes long",
            "dvc status",
        ),
        (
            (255, "", "Unable to read RWLock-file '.dvc/tmp/rwlock'. JSON is corrupted"),
            "bad",
            "Unable to read RWLock-file '.dvc/tmp/rwlock'. JSON is corrupted",
            "rm .dvc/tmp/rwlock",
        ),
        (
            (255, "", "'./dvc.lock' is invalid"),
            "bad",
            "'./dvc.lock' is invalid",
            "git checkout HEAD dvc.lock",
        ),
        (
            (255, "", "[Errno 21] Is a directory: '/a/.dvc/cache/files/md5/0c/b1'"),
            "bad",
            "[Errno 21] Is a directory: '/a/.dvc/cache/files/md5/0c/b1'",
            "whitepatch verify --hashes names what is damaged in DVC's cache",
        ),
        ((0, "{}", ""), "ok", "up to date", ""),
    ],
)
def test_what_dvc_answers(here, monkeypatch, answer, state, said, cure):
    (here / "dvc.lock").write_text("stages:\n  report@tiny:\n    cmd: another\n", encoding="utf-8")
    monkeypatch.setattr(kept, "ask", lambda *_: answer)
    (found,) = kept.pipeline(params.load())
    assert (found.state, found.said, found.cure) == (state, said, cure)


@pytest.mark.parametrize("content", [None, "", "stages:\n  fetch:\n    cmd: x\n"])
def test_a_plan_that_is_gone_or_cut_is_bad(here, monkeypatch, content):
    monkeypatch.setattr(kept, "ask", lambda *_: (0, "{}", ""))
    (here / "dvc.yaml").unlink()
    if content is not None:
        (here / "dvc.yaml").write_text(content)
    (found,) = kept.pipeline(params.load())
    assert (found.state, found.cure) == ("bad", "git checkout dvc.yaml")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_lock_that_is_no_file_is_not_waited_for(make):
    make("dvc.lock")
    (found,) = kept.pipeline(params.load())
    assert (found.state, found.cure) == ("bad", "rm -r dvc.lock && git checkout HEAD dvc.lock")


def test_published_numbers_that_are_gone_are_bad(here, monkeypatch):
    monkeypatch.setattr(kept, "ask", lambda *_: (0, "{}", ""))
    (here / "data/published.csv").unlink()
    found, _ = kept.pipeline(params.load())
    assert (found.state, found.cure) == ("bad", "git checkout data/published.csv")


def test_results_that_the_lock_does_not_know_are_not_to_be_made_again(here, monkeypatch):
    monkeypatch.setattr(kept, "ask", lambda *_: (0, "{}", ""))
    (here / "reports/tiny").mkdir(parents=True)
    (here / "reports/tiny/report.md").touch()
    (found,) = kept.pipeline(params.load())
    assert (found.state, found.cure) == ("look", "git checkout HEAD dvc.lock")


def test_a_broken_setting_of_dvc_is_no_fault_of_ours(here):
    (here / ".dvc/config").write_text("[core")
    (found,) = [one for one in doctor.examine() if one.what == "dvc cache"]
    assert (found.state, found.cure[:25]) == ("bad", "git checkout .dvc/config;")


def test_the_cache_and_the_remote(here, tmp_path):
    assert kept.remote(None)[0].said.startswith("none")
    shared = tmp_path / "shared"
    (here / ".dvc/config.local").write_text(
        f"[cache]\n    dir = {tmp_path}/cache\n[core]\n    remote = mine\n"
        f"['remote \"mine\"']\n    url = {shared}\n"
    )
    (found,) = kept.cache(None)
    assert (found.state, found.said) == ("ok", f"{tmp_path}/cache is made when it is needed")
    (found,) = kept.remote(None)
    assert (found.state, found.cure) == ("look", "make push")
    (shared / "files/md5").mkdir(parents=True)
    (found,) = kept.remote(None)
    assert (found.state, found.said) == ("ok", "mine answers")


def test_a_remote_that_is_none_is_told_in_one_line(here):
    (here / ".dvc/config.local").write_text("[core]\n    remote = gone\n")
    (found,) = kept.remote(None)
    assert found.state == "look"
    assert len(found.said.splitlines()) == 1


@pytest.mark.usefixtures("empty")
def test_without_dvc_there_is_no_cache():
    assert kept.cache(None)[0].state == "bad"


def test_the_state_of_the_pipeline(here):
    everything = params.load()
    assert kept.pipeline(everything)[0].said.startswith("has not run")
    (here / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  report@tiny:\n    cmd: another\n", encoding="utf-8"
    )
    (found,) = kept.pipeline(everything)
    assert found.state == "look"
    assert "stages differ from dvc.lock: fetch@photos" in found.said
    (here / "dvc.lock").write_text("schema: '2.0'\nstages:\n  report@tiny:\n    cm")
    (found,) = kept.pipeline(everything)
    assert (found.state, found.cure) == ("bad", "git checkout HEAD dvc.lock")


@pytest.mark.parametrize(
    ("how", "state", "words"),
    [(How(), "ok", "has its archive"), (How(status=404), "look", "answers 404")],
)
def test_stl10_is_asked_for_without_a_byte_of_it(everything, empty, how, state, words):
    with serving(b"x" * 100, how) as server:
        (found,) = served.stl10(changed(everything, "download", urls=(server.url,)))
    assert found.state == state
    assert words in found.said
    assert (server.asked, server.sent) == (["HEAD"], 0)
    assert not list(empty.iterdir())


def test_stl10_without_a_network_is_not_needed(everything, empty):
    nobody = changed(everything, "download", urls=(NOBODY, "file:///not/there"))
    (found,) = served.stl10(nobody)
    assert found.state == "look"
    assert "not needed for demo and photos" in found.said
    assert "no such file" in found.said
    archive = empty / nobody.download.archive
    archive.parent.mkdir(parents=True)
    archive.touch()
    assert served.stl10(nobody)[0].state == "ok"


def test_stl10_that_is_here_needs_no_server(everything, empty):
    members = everything.sources.stl10.members()
    (empty / "data/raw/stl10").mkdir(parents=True)
    for name, member in members.items():
        with (empty / "data/raw/stl10" / name).open("wb") as file:
            file.truncate(member.bytes)
    nobody = changed(everything, "download", urls=(NOBODY,))
    assert served.stl10(nobody)[0].said == "is in data/raw/stl10"


def store(folder, version, place):
    folder.mkdir(exist_ok=True)
    (folder / "mlflow.db").unlink(missing_ok=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as tables, tables:
        tables.execute("CREATE TABLE alembic_version (version_num)")
        tables.execute("CREATE TABLE experiments (name, artifact_location)")
        tables.execute("INSERT INTO alembic_version VALUES (?)", [version])
        tables.execute("INSERT INTO experiments VALUES ('whitepatch-demo', ?)", [place])


def test_mlflows_own_store(empty):
    assert "is not here" in served.mlflow(None)[0].said
    place = (empty / "mlflow/artifacts/whitepatch-demo").as_uri()
    store(empty / "mlflow", served._newest(), place)
    (found,) = served.mlflow(None)
    assert (found.state, found.cure) == ("ok", "")
    store(empty / "mlflow", "0123", place)
    assert "is of another version (tables 0123, MLflow" in served.mlflow(None)[0].said
    store(empty / "mlflow", served._newest(), "file:///elsewhere/mlflow/artifacts")
    assert "was made in another folder" in served.mlflow(None)[0].said


def test_a_store_that_somebody_writes_to_is_let_be(empty):
    store(empty / "mlflow", served._newest(), (empty / "mlflow/artifacts/a").as_uri())
    with closing(sqlite3.connect(empty / "mlflow/mlflow.db", isolation_level=None)) as tables:
        tables.execute("BEGIN EXCLUSIVE")
        (found,) = served.mlflow(None)
    assert (found.state, found.cure) == ("look", "wait for whoever else writes to it")


def test_a_store_of_somebody_elses_is_not_removed(empty):
    (empty / "mlflow").mkdir()
    with closing(sqlite3.connect(empty / "mlflow/mlflow.db")) as tables, tables:
        tables.execute("CREATE TABLE diary (day)")
    found = doctor._checked("MLflow", served.mlflow, None)[0]
    assert (found.state, found.cure) == ("bad", "move it away, and make one: whitepatch publish")


def test_the_newest_tables_are_those_that_mlflow_makes():
    from alembic.script import ScriptDirectory

    package = Path(served.find_spec("mlflow").origin).parent
    newest = ScriptDirectory(package / "store/db_migrations").get_current_head()
    assert served._newest() == newest


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (503, "bad")])
def test_a_server_of_yours_is_asked_for_its_health(monkeypatch, status, state):
    with serving(b"OK", How(status=status)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        (found,) = served.mlflow(None)
    assert found.state == state
    assert f"answers {status}" in found.said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY.replace("//", "//me:secret@"))
    (found,) = served.mlflow(None)
    assert found.state == "bad"
    assert "secret" not in found.said


def test_what_dead_processes_left(empty, dead):
    assert [one.said for one in leftovers(None)] == ["none"]
    for name in ("data/split", "checkpoints", ".dvc/tmp"):
        (empty / name).mkdir(parents=True)
    (empty / f"data/split/.demo.whitepatch-{dead}.csv").touch()
    (empty / f"data/split/.demo.{os.getpid()}.csv").touch()
    (empty / "checkpoints/train@demo-cnn.pid").write_text(str(dead))
    (empty / "checkpoints/train@demo-cbam.pid").write_text(str(os.getpid()))
    (empty / "checkpoints/demo-cnn-0-abc.safetensors").touch()
    (empty / "checkpoints/demo-cbam-0-abc.safetensors").touch()
    lock = {"read": {"data": [{"pid": dead, "cmd": "x"}]}, "write": {}}
    (empty / ".dvc/tmp/rwlock").write_text(json.dumps(lock))
    said = [one.said for one in leftovers(None)]
    assert said == [
        f"1 half-written: data/split/.demo.whitepatch-{dead}.csv",
        "locks of processes that have ended: checkpoints/train@demo-cnn.pid",
        "1 checkpoints, 0 MB, of trainings that were interrupted",
        f".dvc/tmp/rwlock names processes that have ended: {dead}",
    ]
    (empty / ".dvc/tmp/rwlock").write_text('{"read": ')
    assert leftovers(None)[-1].cure == "rm .dvc/tmp/rwlock"
    assert leftovers(None)[-1].state == "bad"
