"""`whitepatch ui`, the real server, of a store in which something is published."""

import re
import shutil
import signal
import sys
import time
import urllib.request
from hashlib import md5
from pathlib import Path

import psutil
import pytest
from dvc.repo import Repo
from helpers.published import run
from helpers.ui import free_port, opened

from whitepatch import cli
from whitepatch.errors import UserError
from whitepatch.tracking import serving
from whitepatch.tracking.publishing import publish

ANOTHERS = {
    "MLFLOW_STATIC_PREFIX": "/team",
    "MLFLOW_GUNICORN_OPTS": "--workers 4",
    "MLFLOW_ARTIFACTS_ONLY": "true",
}
"""Settings of another server; under each ours would not answer where we ask."""


def listeners(port):
    """Return the addresses that listen on a port of this machine."""
    return [
        found.laddr.ip
        for found in psutil.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN and found.laddr.port == port
    ]


@pytest.mark.pipeline
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others do not say who listens")
def test_the_ui_says_where_it_is_when_it_answers_and_leaves_nothing_running(
    root, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "params.yaml", tmp_path)
    publish("whitepatch-demo", {}, [run("a")])
    port = free_port()
    with opened(tmp_path, port, PYTHONPATH=str(root / "src"), **ANOTHERS) as (process, said):
        assert f"whitepatch-demo: http://127.0.0.1:{port}/#/experiments/" in said
        assert re.search(rf"^MLflow: http://127\.0\.0\.1:{port} ", said, re.MULTILINE)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
            assert page.status == 200
        assert listeners(port) == ["127.0.0.1"], "this machine only"
        with pytest.raises(UserError, match=f"port {port} .* is taken; .* --port {port + 1}$"):
            cli.ui(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert "Traceback" not in process.stderr.read()
    deadline = time.monotonic() + 10
    while listeners(port) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not listeners(port), "no worker is left"


@pytest.mark.parametrize(
    ("server", "seconds", "said"),
    [
        ("import time; time.sleep(99)", 1, "did not answer within 1 s"),
        ("", 60, "ended before it answered"),
    ],
)
def test_a_server_that_does_not_come_up_is_ended_and_said(
    tmp_path, monkeypatch, server, seconds, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow/__init__.py").touch()
    (tmp_path / "mlflow/__main__.py").write_text(server)
    before = set(psutil.Process().children())
    monkeypatch.setattr(serving, "LONGEST", seconds)
    monkeypatch.setattr(serving.programs, "environment", lambda *_, **__: {"PYTHONPATH": "."})
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(UserError, match=said):
        serving.serve(free_port())
    assert set(psutil.Process().children()) == before


@pytest.mark.filterwarnings("ignore:_NoneStep.value")  # DVC's own
def test_results_that_are_not_those_of_dvc_lock_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli._not_recorded("demo") == [], "without DVC there is nothing to compare with"
    Repo.init(no_scm=True).close()
    Path("dvc.yaml").write_text(
        "stages:\n"
        "  report:\n"
        "    matrix: {experiment: [demo]}\n"
        "    cmd: 'true'\n"
        "    outs: [a: {cache: false}, b: {cache: false}, c]\n"
        "  publish: {matrix: {experiment: [demo]}, cmd: 'true', deps: [a], always_changed: true}\n"
    )
    one = md5(b"1", usedforsecurity=False).hexdigest()
    outs = [f"    - {{path: {name}, hash: md5, md5: {one}}}" for name in "abc"]
    lock = ["schema: '2.0'", "stages:", "  report@demo:", "    cmd: 'true'", "    outs:", *outs]
    Path("dvc.lock").write_text("\n".join(lock))
    for name, content in {"a": "1", "b": "2"}.items():
        Path(name).write_text(content)
    assert cli._not_recorded("demo") == ["b"], "what is missing is no other"


def test_a_server_of_ones_own_is_only_named(monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    assert serving.serve(free_port()) == 0
    assert capsys.readouterr().err == "MLflow: http://127.0.0.1:9 (MLFLOW_TRACKING_URI)\n"
