import os
import shutil
import subprocess
import sys
from pathlib import Path


def whitepatch(folder, *arguments):
    return subprocess.run(
        [str(Path(sys.executable).parent / "whitepatch"), *arguments],
        cwd=folder,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_publish_without_results_says_what_to_run_first(root, tmp_path):
    shutil.copy(root / "params.yaml", tmp_path)
    done = whitepatch(tmp_path, "publish")
    assert done.returncode == 2
    assert done.stderr == "no experiment has all its results here; run: make demo\n"
    assert not (tmp_path / "mlflow").exists()


def test_publish_names_what_half_an_experiment_lacks(root, tmp_path):
    shutil.copy(root / "params.yaml", tmp_path)
    (tmp_path / "reports/demo").mkdir(parents=True)
    (tmp_path / "reports/demo/report.html").touch()
    done = whitepatch(tmp_path, "publish")
    assert done.returncode == 2
    left, refused = done.stderr.splitlines()
    assert left.startswith("demo is left out: models/demo/cnn/training.json is not here; make pull")
    assert refused.startswith("no experiment has all its results here")


def test_publish_of_an_unknown_experiment_is_one_line(root, tmp_path):
    shutil.copy(root / "params.yaml", tmp_path)
    done = whitepatch(tmp_path, "publish", "mine")
    assert done.returncode == 2
    assert (
        done.stderr
        == "no experiment 'mine' in params.yaml; it has demo, photos, article, corrected\n"
    )
    done = whitepatch(tmp_path, "publish", "demo")
    assert done.returncode == 2
    page = "reports/demo/report.html"
    cure = "make it: dvc repro report@demo"
    assert done.stderr == f"experiment demo: {page} is not here; {cure}\n"


def test_a_part_of_the_cells_that_is_none_is_one_line(root, tmp_path):
    shutil.copy(root / "params.yaml", tmp_path)
    done = whitepatch(tmp_path, "train", "--cells", "9/8")
    assert done.returncode == 2
    assert done.stderr == "--cells must be i/n with i from 1 to n, got '9/8'\n"
