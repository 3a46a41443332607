"""What `whitepatch doctor` says of projects in several states."""

import shutil

import pytest
from helpers.project import miniature, run
from helpers.server import How, serving

from whitepatch import doctor
from whitepatch.training import gpu
from whitepatch.training.gpu import Gpu


@pytest.fixture
def fresh(root, tmp_path):
    """Return the project in miniature; nothing has run."""
    folder = miniature(root, tmp_path)
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(root / name, folder)
    return folder


def test_a_fresh_project_has_all_it_needs(fresh):
    before = {path for path in fresh.rglob("*") if ".dvc" not in path.parts}
    status, said = run(fresh, "whitepatch", "doctor")
    assert status == 0, said
    assert "packages   as pinned" in said
    assert "tiny       has not run: dvc repro report@tiny" in said
    assert {path for path in fresh.rglob("*") if ".dvc" not in path.parts} == before


def test_what_is_bad_gives_status_1(fresh):
    pins = fresh / "requirements.txt"
    pins.write_text(pins.read_text().replace("scipy==", "scipy==0."))
    (fresh / "dvc.yaml").write_text("stages: [")
    status, said = run(fresh, "whitepatch", "doctor")
    assert status == 1
    assert "BAD  packages   scipy is " in said
    assert "BAD  pipeline   " in said
    (fresh / "params.yaml").unlink()
    status, said = run(fresh, "whitepatch", "doctor")
    assert status == 2
    assert said.startswith("params.yaml is not here")


@pytest.mark.pipeline
def test_results_that_changed_are_named(made, root, tmp_path):
    folder = shutil.copytree(made, tmp_path / "copy")
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(root / name, folder)
    assert "tiny       up to date" in run(folder, "whitepatch", "doctor")[1]
    (folder / "reports/tiny/history/cnn.csv").write_text("other")
    said = run(folder, "whitepatch", "doctor")[1]
    assert "tiny       to be made, or made anew: " in said
    assert "train@tiny-cnn" in said


OLD, GOOD = Gpu("Tesla T4", "570.133.07", (7, 5)), Gpu("Tesla T4", "590.44.01", (7, 5))


@pytest.mark.parametrize(
    ("device", "there", "good", "said"),
    [
        ("auto", [], True, "CPU (auto);"),
        ("cpu", [OLD], True, "CPU (cpu);"),
        ("cuda", [], False, "CPU (cuda);"),
        ("auto", [GOOD, GOOD], True, "2 x Tesla T4, driver 590.44.01"),
        ("auto", [OLD, GOOD], True, "1 x Tesla T4, driver 590.44.01"),
        ("auto", [OLD], False, "Tesla T4 is there, but its driver is 570.133.07, and the pinned"),
    ],
)
def test_a_gpu_that_is_asked_for_must_be_there(fresh, monkeypatch, device, there, good, said):
    monkeypatch.chdir(fresh)
    params = fresh / "params.yaml"
    params.write_text(params.read_text().replace("device: auto", f"device: {device}"))
    monkeypatch.setattr(gpu, "CONTROL", fresh / "nvidiactl")
    monkeypatch.setattr(gpu, "gpus", lambda: there)
    (found,) = (one for one in doctor.examine() if one.what == "device")
    assert found.good == good
    assert said in found.said


@pytest.mark.parametrize(
    ("how", "words"), [(How(), "server answers"), (How(status=404), "HTTPError")]
)
def test_stl10_is_asked_for_and_not_needed(everything, tmp_path, monkeypatch, how, words):
    monkeypatch.chdir(tmp_path)
    with serving(b"archive", how) as server:
        download = everything.download.model_copy(update={"urls": (server.url,)})
        found = doctor._stl10(everything.model_copy(update={"download": download}))
    assert found.good
    assert words in found.said
