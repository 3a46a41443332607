import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whitepatch.files import digest, is_scratch, replacing, scratch, write_json, write_text


def fail_halfway(target):
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError):
        fail_halfway(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_a_killed_process_left_is_removed_and_a_living_ones_kept(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    dead, alive, other = (
        tmp_path / f".{name}.csv"
        for name in (f"a.whitepatch-{gone.pid}", f"a.whitepatch-{os.getppid()}", "a.2024")
    )
    impossible = tmp_path / f".b.whitepatch-{10**20}.csv"
    for path in (dead, alive, other, impossible):
        path.write_text("half")
    write_text(tmp_path / "a.csv", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([alive, other, tmp_path / "a.csv"])


def test_a_folder_for_a_while_goes_with_its_block_or_with_the_next(tmp_path):
    program = f"""
import os
from pathlib import Path
from whitepatch.files import scratch
with scratch(Path({str(tmp_path)!r})) as folder:
    (Path(folder) / "half").touch()
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    (left,) = tmp_path.iterdir()
    assert is_scratch(left)
    with scratch(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [Path(folder)]
        assert is_scratch(Path(folder))
        with scratch(tmp_path) as another:
            assert set(tmp_path.iterdir()) == {Path(folder), Path(another)}
    assert not list(tmp_path.iterdir())


def test_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_digest_sees_content_order_and_borders(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"ab")
    second.write_bytes(b"c")
    assert digest(first, second) == digest(b"ab", second)
    assert digest(first, second) != digest(second, first)
    assert digest(b"ab", b"c") != digest(b"a", b"bc")


def test_a_file_never_takes_the_place_of_a_folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "kept").touch()
    with pytest.raises(IsADirectoryError), replacing(folder) as temporary:
        temporary.write_text("a file")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "kept"]


ORPHAN = """
import time
from pathlib import Path
from whitepatch.errors import UserError
from whitepatch.files import write_text
write_text(Path("reports/before"), "")
print("ready", flush=True)
while not Path("killed").exists():
    time.sleep(0.01)
for path in ("reports/after", "checkpoints/last"):
    try:
        write_text(Path(path), "")
        said = "nothing"
    except UserError as error:
        said = str(error)
    with open("said", "a") as file:
        file.write(f"{path}: {said}\\n")
Path("ended").touch()
"""

DVC = """
import json, os, subprocess, sys
from pathlib import Path
Path(".dvc/tmp").mkdir(parents=True)
mine = {"pid": os.getpid(), "cmd": "dvc repro"}
Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {"reports": mine}, "read": {}}))
subprocess.run(sys.argv[1:])
"""
"""Stands for DVC: says that it runs a stage, starts it, and waits for it."""


@pytest.mark.skipif(os.name == "nt", reason="no such parents there")
@pytest.mark.parametrize("under_dvc", [True, False])
@pytest.mark.parametrize("shell", [[], ["sh", "-c", '"$@"; true', "sh"]])
def test_a_stage_whose_dvc_was_killed_writes_no_result(tmp_path, monkeypatch, under_dvc, shell):
    """A shell that DVC started it with may live on."""
    monkeypatch.chdir(tmp_path)
    Path("stage.py").write_text(ORPHAN)
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"}
    if under_dvc:
        environment["DVC_STAGE"] = "report@demo"
    command = [sys.executable, "-c", DVC, *shell, sys.executable, "stage.py"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as dvc:
        assert dvc.stdout.readline() == b"ready\n"
        dvc.kill()
        dvc.wait()
    Path("killed").touch()
    deadline = time.monotonic() + 30
    while not Path("ended").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    refused = "DVC, which started this, has ended, or .dvc/tmp/rwlock was removed; "
    refused += "nothing more is written"
    words = refused if under_dvc else "nothing"
    assert Path("said").read_text() == f"reports/after: {words}\ncheckpoints/last: {words}\n"
    written = {"before"} if under_dvc else {"before", "after"}
    assert {path.name for path in Path("reports").iterdir()} == written
    assert Path("checkpoints/last").exists(), "to go on from"
