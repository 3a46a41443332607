"""`whitepatch ui`, the real server."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import numpy as np
import pytest
from helpers.project import run
from helpers.ui import free_port, opened

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(made, tmp_path_factory):
    """Return the project in miniature, everything made."""
    return shutil.copytree(made, tmp_path_factory.mktemp("ui").resolve() / "miniature")


ANOTHERS = {
    "MLFLOW_STATIC_PREFIX": "/team",
    "MLFLOW_GUNICORN_OPTS": "--workers 4",
    "MLFLOW_ARTIFACTS_ONLY": "true",
}
"""What somebody has set for a server of theirs; under each ours would not answer where we ask."""


def listeners(port):
    """Return the addresses that listen on a port, as the kernel writes them."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:  # noqa: PTH123 -- no file of ours
            rows = [line.split() for line in list(file)[1:]]
        found += [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_ui_says_where_it_is_when_it_answers_and_leaves_nothing_running(project, how):
    port = free_port()
    with opened(project, port, **ANOTHERS) as (process, said):
        assert f"whitepatch-tiny: http://127.0.0.1:{port}/#/experiments/" in said
        assert re.search(rf"^MLflow: http://127\.0\.0\.1:{port} ", said, re.MULTILINE)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
            assert page.status == 200
        assert listeners(port) == [f"0100007F:{port:04X}"], "this machine only"
        status, refused = run(project, "whitepatch", "ui", "--port", str(port))
        assert status == 2
        assert "publish" not in refused, "it looks before it begins"
        assert re.search(rf"port {port} .* by process (\d+); kill \1, or choose another", refused)
        process.send_signal(how)
        assert process.wait(timeout=30) == 0
        rest = process.stderr.read()
    assert "Traceback" not in rest
    for _ in range(100):
        if not listeners(port):
            break
        time.sleep(0.1)
    assert not listeners(port), "no worker is left"


def test_the_ui_opens_though_results_are_not_those_of_the_lock(project):
    lock = project / "dvc.lock"
    recorded = lock.read_text()
    page = re.search(r"report\.html\n +hash: md5\n +md5: (\w+)", recorded)[1]
    lock.write_text(recorded.replace(page, "a" * 32))
    try:
        with opened(project, free_port()) as (_, said):
            assert (
                "tiny is not published: reports/tiny/report.html is not what dvc.lock has" in said
            )
    finally:
        lock.write_text(recorded)


def test_mlflow_s_own_command_predicts_what_the_stage_did(project, tmp_path):
    """`mlflow models predict`, in a process of its own, by the alias of the registry."""
    assert run(project, "whitepatch", "publish")[0] == 0
    with closing(sqlite3.connect(project / "mlflow/mlflow.db")) as store:
        tags = dict(store.execute("SELECT key, value FROM model_version_tags").fetchall())
    saved = np.load(project / f"reports/tiny/maps/{tags['variant']}.npz")
    pictures, seed = saved["pictures"], saved["seeds"].tolist().index(int(tags["seed"]))
    given = tmp_path / "input.json"
    given.write_text(json.dumps({"inputs": pictures.tolist()}))
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local"]
    command += ["-m", "models:/whitepatch-tiny@chosen", "-i", str(given), "-t", "json"]
    address = f"sqlite:///{project}/mlflow/mlflow.db"
    environment = os.environ | {"MLFLOW_TRACKING_URI": address, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    predicted = json.loads(done.stdout)["predictions"]
    expected = saved["logits"][seed, saved["scored"][: len(pictures)]]
    # the stage takes another number of pictures at a time, and other sums round otherwise
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)


def test_a_store_of_another_version_of_mlflow_is_refused_with_the_cure(project):
    assert run(project, "whitepatch", "publish")[0] == 0
    with closing(sqlite3.connect(project / "mlflow/mlflow.db")) as store:
        store.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")  # of 2019
        store.commit()
    status, said = run(project, "whitepatch", "ui", "--port", str(free_port()))
    assert status == 2
    assert said.splitlines()[-1].endswith("make it anew: rm -r mlflow, then: whitepatch ui")
    shutil.rmtree(project / "mlflow")
    assert run(project, "whitepatch", "publish")[0] == 0
