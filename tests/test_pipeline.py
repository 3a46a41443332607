"""The pipeline file, tested like code; and the whole pipeline, in miniature, run for real."""

import ast
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from damage import Damage
from helpers.project import load, results, run
from ruamel.yaml import YAML
from torture import Torture

from whitepatch import dvc_lock, params, recorded
from whitepatch.errors import UserError
from whitepatch.maps.scores import SCORES
from whitepatch.tracking.replay import runs

# These cannot move a number; values are tracked as parameters, key by key.
PLUMBING = {
    "programs.py",
    "plain_yaml.py",
    "paths.py",
    "errors.py",
    "files.py",
    "processes.py",
    "__init__.py",
    "recorded.py",
    "dvc_lock.py",
    "exclusive.py",
    "unchanged.py",
    "dvc_config.py",
}
PACKAGE = Path("src/whitepatch")
APART = (
    "whitepatch.params",
    "whitepatch.tracking",
    "whitepatch.tracking.naming",
    "whitepatch.feasible",
)
"""What MLflow is told of a training cannot move it (tests/tracking/test_following.py), nor can what
only refuses."""

UNREAD = ".*(loss|auc)$|(data|models|src)/|reports/tiny/"
"""Columns of `dvc exp show` that docs/views.md leaves out, to compare accuracies."""


def template(stage):
    """Return the stage with its `foreach` or `matrix` taken off."""
    return stage.get("do", stage)


def files_of(module, root):
    """Return the files of a module of ours, or of the names imported from a package."""
    path = root / "src" / Path(*module.split("."))
    return [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()]


def imports(file, root):
    """Return all files of ours that a file imports, at any depth, lazily or not."""
    found, waiting = set(), [file]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for node in ast.walk(ast.parse(current.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                if name.startswith("whitepatch") and not name.startswith(APART):
                    waiting += files_of(name, root)
    return found


def covered(file, deps, root):
    relative = file.relative_to(root)
    return any(relative == Path(dep) or Path(dep) in relative.parents for dep in deps)


@pytest.mark.parametrize("name", ["fetch", "split", "train", "evaluate", "report", "compare"])
def test_dependencies_cover_what_a_stage_imports(root, name):
    stage = template(load(root / "dvc.yaml")["stages"][name])
    deps = [
        dep.replace("${key}", "photos")
        .replace("${item.source}", "photos")
        .replace("${item.variant}", "cbam_spatial")
        for dep in stage["deps"]
    ]
    files = imports(root / PACKAGE / "stages" / f"{name}.py", root)
    assert len(files) > 5
    missing = {
        str(file.relative_to(root))
        for file in files
        if file.name not in PLUMBING and not covered(file, deps, root)
    }
    assert not missing


def test_dependencies_exist_and_parameters_too(root):
    params = load(root / "params.yaml")
    for name, stage in load(root / "dvc.yaml")["stages"].items():
        for dep in template(stage)["deps"]:
            dep = dep.replace("${item.variant}", "cnn").replace("${key}", "photos")
            dep = dep.replace("${item.source}", "photos")
            assert not dep.startswith("src") or (root / dep).exists(), f"{name}: {dep}"
        for key in template(stage).get("params", []):
            key = key.replace("sources.${key}", "sources.photos")
            key = key.replace("sources.${item.source}", "sources.photos")
            key = key.replace("${item.experiment}", "demo").replace("${key}", "demo")
            section = params
            for part in key.split("."):
                section = section[part]


def test_a_variants_file_is_a_dependency_of_its_own_stages_only(root):
    stages = load(root / "dvc.yaml")["stages"]
    for name in ("train", "evaluate"):
        assert "src/whitepatch/models/variants/${item.variant}.py" in stages[name]["deps"]
    for name, stage in stages.items():
        every = any(dep.rstrip("/").endswith("models/variants") for dep in template(stage)["deps"])
        assert every == (name == "report"), "it describes all of them, and costs seconds"


@pytest.fixture(scope="module")
def ran(made, tmp_path_factory):
    """Return the project in miniature, everything made."""
    folder = tmp_path_factory.mktemp("ran").resolve() / "miniature"
    shutil.copytree(made, folder)
    status, said = run(folder, "dvc", "repro", "publish@tiny")
    assert status == 0, said
    return folder


@pytest.mark.pipeline
def test_a_forced_rebuild_gives_the_same_bytes(ran):
    lock, before = (ran / "dvc.lock").read_bytes(), results(ran)
    assert not list((ran / "checkpoints").glob("*")), "scratch goes when a stage has finished"
    status, said = run(ran, "dvc", "repro", "--force", "report@tiny")
    assert status == 0, said
    assert said.count("Running stage") == 9
    assert (ran / "dvc.lock").read_bytes() == lock
    after = results(ran)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


@pytest.mark.pipeline
def test_a_second_run_does_nothing_but_ask_mlflow(ran):
    status, said = run(ran, "dvc", "repro", "publish@tiny")
    assert status == 0, said
    assert said.count("Running stage") == 1
    assert "0 written, 7 unchanged, 0 removed" in said


def flip(path):
    """Change the last bit of a file, or of a file in a folder, behind DVC's back."""
    if path.is_dir():
        path = max(file for file in path.rglob("*") if file.is_file() and file.stat().st_size)
    times, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.pipeline
def test_a_flipped_bit_that_dvc_does_not_see_is_refused_and_the_cure_helps(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    run(folder, "git", "add", "-A")
    before = results(folder)
    assert run(folder, "dvc", "status", "report@tiny")[0] == 0
    for path, stage in {
        "models/tiny/cnn": "evaluate@tiny-cnn",  # DVC has it
        "data/split/tiny.csv": "train@tiny-cnn",  # Git has it
    }.items():
        flip(folder / path)
        assert "up to date" in run(folder, "dvc", "status", "report@tiny")[1]
        code = {"PYTHONPATH": str(folder / "src")}
        status, said = run(
            folder / "src", "dvc", "repro", "-f", "-s", f"../dvc.yaml:{stage}", env=code
        )
        assert status != 0
        assert f"{stage}: {path} is not what dvc.lock has" in said
        status, said = run(folder, "dvc", "repro", "-f", "-s", stage)
        assert status != 0
        (line,) = [line for line in said.splitlines() if "is not what dvc.lock has" in line]
        assert line.startswith(f"{stage}: {path} is not")
        status, said = run(folder, "whitepatch", "verify", "--hashes")
        assert status == 1
        (bad,) = [line for line in said.splitlines() if line.startswith("BAD")]
        assert bad.split()[1] == path
        for command in ("publish", "predict"):
            named = ["--experiment", "tiny", "--variant", "cnn", "x.png"]
            given = ["tiny"] if command == "publish" else named
            status, said = run(folder, "whitepatch", command, *given)
            assert (status, said.count("\n")) == (2, 1)
            assert said.startswith(f"{path} is not what dvc.lock has"), said
        cure = line.partition("; ")[2].partition(", or")[0]
        assert run(folder, "sh", "-c", cure)[0] == 0
        # of a stage that was refused DVC has removed the outputs, as of every one that fails
        assert run(folder, "dvc", "repro", "report@tiny")[0] == 0
        assert run(folder, "whitepatch", "verify", "--hashes")[0] == 0
        assert results(folder) == before
    published = folder / "data/published.csv"  # which no stage makes
    for harm in (flip, Path.unlink):
        harm(published)
        status, said = run(folder, "whitepatch", "verify", "--hashes")
        assert status == 1
        (bad,) = [line for line in said.splitlines() if line.startswith("BAD")]
        assert "git checkout data/published.csv" in bad
        status, said = run(folder, "dvc", "repro", "-f", "-s", "report@tiny")
        assert status != 0
        words = "is not what dvc.lock has" if published.exists() else "is missing; take it from Git"
        assert f"report@tiny: data/published.csv {words}" in said
        assert run(folder, "git", "checkout", "data/published.csv")[0] == 0
        assert run(folder, "dvc", "repro", "report@tiny")[0] == 0
        assert results(folder) == before
    lock = (folder / "dvc.lock").read_bytes()
    published.write_text(published.read_text().replace("0.", "1.", 1))  # an edit is no damage
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert (folder / "dvc.lock").read_bytes() != lock


@pytest.mark.pipeline
def test_by_hand_a_stage_says_that_its_files_are_others_and_ends_in_a_line(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    run(folder, "git", "add", "-A")
    evaluate = [sys.executable, "-m", "whitepatch.stages.evaluate", "tiny", "cnn"]
    history = folder / "reports/tiny/history/cnn.csv"
    other = f"{history.relative_to(folder)} is not what dvc.lock has; git checkout "
    whole = history.read_text()
    assert run(folder, *evaluate) == (0, "")
    history.write_text(whole.replace("0.", "1.", 1))
    status, said = run(folder, *evaluate)
    assert (status, said.count("\n")) == (0, 1)
    assert said.startswith(other)
    assert said.endswith("; used as it is, for DVC does not run this\n")
    for content in (b"\xff", b"", whole.replace("test_loss", "loss").encode()):
        history.write_bytes(content)
        status, said = run(folder, *evaluate)
        assert (status, said.count("\n")) == (2, 2), said
        assert said.splitlines()[1].startswith(other)
    (folder / "dvc.lock").unlink()
    status, said = run(folder, *evaluate)
    assert (status, said.count("\n")) == (2, 1), said
    assert said.startswith(
        "evaluate@tiny-cnn: KeyError: 'test_loss'; without dvc.lock nobody knows"
    )
    assert said.endswith("make that anew: dvc repro evaluate@tiny-cnn\n")


@pytest.mark.pipeline
def test_a_run_knows_whether_its_files_are_still_those_that_it_shows(ran, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    monkeypatch.chdir(folder)
    read = {one.key: one for one in runs("tiny", params.load())}
    assert all(one.is_current() for one in read.values())
    with (folder / "reports/tiny/history/cnn.csv").open() as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file) if row["seed"] == "1"]
    told = [value for _, value in read["tiny/cnn/1"].series["train_loss"]]
    assert told == losses, "to the last bit"
    for name, old in {
        "models/tiny/cnn/seed-01.safetensors": {"tiny/cnn/0", "tiny/cnn/1"},
        "reports/tiny/metrics/cbam_spatial.json": {"tiny/cbam_spatial/0", "tiny/cbam_spatial/1"},
        "reports/tiny/figures/errors.png": {"tiny/summary"},
        "data/split/tiny.csv": set(read),
    }.items():
        whole = (folder / name).read_bytes()
        for harm in (flip, Path.unlink):
            harm(folder / name)
            assert {key for key, one in read.items() if not one.is_current()} == old
            (folder / name).write_bytes(whole)
    assert all(one.is_current() for one in read.values())


@pytest.mark.pipeline
def test_what_is_damaged_in_a_remote_is_not_taken_and_is_mended_as_the_docs_say(ran, tmp_path):
    folder, remote = tmp_path / "copy", tmp_path / "remote"
    shutil.copytree(ran, folder)
    model = folder / "models/tiny/cnn"
    whole = {path.name: path.read_bytes() for path in model.iterdir()}

    def dvc(*command):
        return run(folder, "dvc", *command)

    assert dvc("remote", "add", "-q", "-d", "team", str(remote))[0] == 0
    assert dvc("push", "train@tiny-cnn")[0] == 0
    (listed,) = remote.rglob("*.dir")
    total = json.loads(listed.read_bytes())[0]["md5"]
    kept = remote / "files/md5" / total[:2] / total[2:]
    kept.chmod(0o644)
    flip(kept)

    def pull():
        shutil.rmtree(model)
        shutil.rmtree(folder / ".dvc/cache")
        return dvc("pull", "--allow-missing", "train@tiny-cnn")

    before = shutil.copytree(folder / ".dvc/cache", tmp_path / "cache")
    assert dvc("remote", "modify", "team", "verify", "true")[0] == 0
    pull()
    assert not model.exists() or all(
        path.read_bytes() == whole[path.name] for path in model.iterdir()
    )
    shutil.rmtree(folder / ".dvc/cache", ignore_errors=True)
    shutil.copytree(before, folder / ".dvc/cache")
    assert dvc("checkout", "train@tiny-cnn")[0] == 0
    kept.unlink()
    listed.unlink()
    assert dvc("push", "train@tiny-cnn")[0] == 0
    status, said = pull()
    assert status == 0, said
    assert {path.name: path.read_bytes() for path in model.iterdir()} == whole


@pytest.mark.pipeline
def test_a_single_stage_builds_on_nothing_of_other_parameters(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    before, lock = results(folder), (folder / "dvc.lock").read_bytes()
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("loss: logits", "loss: printed"))
    for stage in ("report@tiny", "evaluate@tiny-cnn"):
        status, said = run(folder, "dvc", "repro", "-s", stage)
        assert status != 0
        words = "experiments.tiny.train in params.yaml is not what train@tiny-"
        assert f"{stage}: {words}" in said
        assert f"; dvc repro {stage}\n" in said
        assert "Traceback" not in said
        assert (folder / "dvc.lock").read_bytes() == lock
    (folder / "params.yaml").write_text(text)
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert results(folder) == before


@pytest.mark.pipeline
def test_mlflow_gets_pictures_as_results_say_not_as_params_say_now(ran, tmp_path, monkeypatch):
    monkeypatch.chdir(ran)
    everything = params.load()
    tiny = everything.experiments["tiny"]
    patch = tiny.patch.model_copy(update={"size": 10})
    pixels = tiny.pixels.model_copy(update={"scale": 40})
    drawn = []
    for name, experiment in {
        "then": tiny,
        "now": tiny.model_copy(update={"patch": patch, "pixels": pixels}),
    }.items():
        given = everything.model_copy(update={"experiments": {"tiny": experiment}})
        (one,) = [one for one in runs("tiny", given) if one.key == "tiny/cbam_spatial/1"]
        (tmp_path / name).mkdir()
        one.attach(tmp_path / name)
        drawn.append((one.digest, (tmp_path / name / "maps.png").read_bytes()))
    assert drawn[0] == drawn[1]


@pytest.mark.pipeline
def test_the_overview_shows_no_number_that_was_changed_behind_dvcs_back(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    metrics = folder / "reports/tiny/metrics/cnn.json"
    whole = metrics.read_bytes()
    for content in (whole.replace(b"1", b"2", 1), b"", b"{}"):
        metrics.write_bytes(content)
        status, said = run(folder, "dvc", "repro", "compare")
        assert status != 0
        assert "Traceback" not in said
        assert "compare: reports/tiny/metrics/cnn.json is not what dvc.lock has" in said
    metrics.write_bytes(whole)
    # nor an experiment of which one part is newer than the rest
    lock = YAML(typ="safe", pure=True).load(folder / "dvc.lock")
    lock["stages"]["report@tiny"]["deps"][-1]["path"] = "models/tiny/cnn"
    YAML().dump(lock, folder / "dvc.lock")
    status, said = run(folder, "dvc", "repro", "compare")
    assert "compare: tiny is left out: models/tiny/cnn has changed since report@tiny ran" in said


@pytest.mark.pipeline
def test_what_a_killed_stage_or_others_left_enters_no_sum(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    lock = (folder / "dvc.lock").read_bytes()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    left = folder / f"reports/tiny/maps/.cnn.whitepatch-{gone.pid}.npz"
    left.write_bytes(b"half")
    others = ("models/tiny/cnn/.DS_Store", "src/whitepatch/data/Thumbs.db", "reports/tiny/maps/#x#")
    for name in others:
        (folder / name).write_bytes(b"")
    assert run(folder, "dvc", "repro", "report@tiny")[0] == 0
    assert (folder / "dvc.lock").read_bytes() == lock
    run(folder, "dvc", "repro", "compare")  # always runs, and tidies up
    assert not left.exists()
    assert run(folder, "whitepatch", "verify", "--hashes")[0] == 0


@pytest.mark.pipeline
def test_whatever_dvc_calls_a_dependency_is_read_before_it_is_used(ran, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    monkeypatch.chdir(folder)
    made = {output.path: output for output in dvc_lock.outputs(dvc_lock.read())}
    seen = set()
    for stage, entry in load(folder / "dvc.lock")["stages"].items():
        recorded.refuse_other(stage)
        for dependency in map(Path, (dep["path"] for dep in entry["deps"])):
            for path in made:
                if path == dependency or dependency in path.parents:
                    times = {file: file.stat() for file in (path, *path.rglob("*"))}
                    flip(path)
                    with pytest.raises(UserError, match=f"^{path} is not what dvc.lock has; "):
                        recorded.refuse_other(stage)
                    flip(path)
                    assert all(
                        path.stat().st_mtime_ns == x.st_mtime_ns for path, x in times.items()
                    )
                    seen.add((stage, str(path)))
    assert len(seen) > 25
    assert ("split@tiny", "data/raw/photos") in seen
    assert ("report@tiny", "reports/tiny/maps/cnn.npz") in seen


@pytest.mark.pipeline
def test_a_damaged_cache_is_found_before_anybody_needs_it(ran, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    monkeypatch.chdir(folder)
    before, lock = results(folder), Path("dvc.lock").read_bytes()
    model = Path("models/tiny/cnn")
    (total,) = [output.md5 for output in dvc_lock.outputs(dvc_lock.read()) if output.path == model]
    listed = dvc_lock._kept(total)
    first = json.loads(listed.read_bytes())[0]["md5"]
    for kept, here in (
        (dvc_lock._kept(first), True),
        (listed, True),
        (listed, False),
    ):
        kept.chmod(0o644)  # DVC protects it
        flip(kept)
        if not here:
            shutil.rmtree(model)
        status, said = run(folder, "whitepatch", "verify", "--hashes")
        assert status == 1
        (bad,) = [line for line in said.splitlines() if line.startswith("BAD")]
        assert f"{model}  is damaged in DVC's cache; rm -rf {kept} && " in bad
        assert run(folder, "sh", "-c", bad.partition("; ")[2])[0] == 0
        status, said = run(folder, "whitepatch", "verify", "--hashes")
        assert status == 0, said
        assert results(folder) == before
        assert Path("dvc.lock").read_bytes() == lock


@pytest.mark.pipeline
def test_files_cut_to_nothing_are_made_again(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    before = results(folder)
    for name in (
        "data/raw/photos/train_X.bin",
        "data/split/tiny.csv",
        "models/tiny/cnn/seed-01.safetensors",
        "reports/tiny/history/cbam_spatial.csv",
        "reports/tiny/metrics/cnn.json",
        "reports/tiny/maps/mha_linear_tokens.npz",
        "reports/tiny/report.html",
    ):
        (folder / name).write_bytes(b"")
    status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert results(folder) == before


@pytest.mark.pipeline
@pytest.mark.parametrize("content", [b"", None, b"schema: '2.0'\nstages:\n  split@tiny:\n    cm"])
def test_a_damaged_dvc_lock_is_named_or_made_again(ran, tmp_path, content):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    before, lock = results(folder), folder / "dvc.lock"
    run(folder, "git", "add", "-A")
    if content is None:
        lock.unlink()
    else:
        lock.write_bytes(content)
    status, said = run(folder, "dvc", "repro", "report@tiny")
    if status != 0:
        assert "dvc.lock" in said
        assert run(folder, "git", "checkout", "dvc.lock")[0] == 0
        status, said = run(folder, "dvc", "repro", "report@tiny")
    assert status == 0, said
    assert results(folder) == before


@pytest.mark.pipeline
def test_mlflow_has_few_sections_of_charts(ran):
    """What stands before the last slash of a metric's name is a section."""
    with closing(sqlite3.connect(ran / "mlflow/mlflow.db")) as store:
        names = [name for (name,) in store.execute("SELECT DISTINCT key FROM metrics")]
    scores = {f"score {kind}" for kind in SCORES}
    sections = {name.rpartition("/")[0] for name in names if "/" in name}
    # of three variants none was planned to be compared
    assert sections == scores | {"summary", "interval of summary"}
    assert {"summary/cnn min_test_loss", "score auc/evidence", "test_loss"} <= set(names)


@pytest.mark.pipeline
def test_dvc_metrics_show_is_one_short_table(ran):
    status, said = run(ran, "dvc", "metrics", "show")
    assert status == 0, said
    head, *rows = said.splitlines()
    assert head.split() == ["Path", "accuracy", "auc", "evidence_auc", "loss", "min_test_loss"]
    variants = {row.split()[0] for row in rows}
    names = ("cnn", "mha_linear_tokens", "cbam_spatial")
    assert variants == {f"reports/summary/tiny/{name}.json" for name in names}
    assert not [row for row in rows if "-" in row.split()], "a number in every cell"
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 120


@pytest.mark.pipeline
def test_dvc_plots_show_draws_every_variant_and_needs_no_network(ran, tmp_path):
    status, said = run(ran, "dvc", "plots", "show", "--out", str(tmp_path))
    assert status == 0, said
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script[^>]* src", page) == [], "DVC's own page loads three"
    drawn = page.partition("<body>")[2]
    specs = {
        name: json.loads(spec)
        for name, spec in re.findall(r'<div id = "(\w+)">.*?var spec = (.*?);\n', drawn, re.DOTALL)
    }
    curves = specs["reports_tiny_learning_curves_csv"]
    assert curves["title"]["text"].startswith("tiny: loss by epoch")
    assert curves["facet"]["column"]["field"] == "split"
    points = curves["data"]["values"]
    assert {point["split"] for point in points} == {"train", "validation", "test"}
    assert len({point["variant"] for point in points}) == 3
    assert "<DVC_METRIC" not in drawn
    assert specs["reports_tiny_history_cnn_csv"]["title"]["text"] == "tiny, cnn"
    assert specs["reports_tiny_metrics_cnn_json"] == {}, "the page leaves it out"
    assert drawn.count("figures_errors.png") == 1


@pytest.mark.pipeline
def test_an_experiment_of_dvc_can_be_compared_and_publishes_nothing(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    for command in (("add", "--all"), ("commit", "--quiet", "--message", "before")):
        status, said = run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", *command)
        assert status == 0, said
    store = (folder / "mlflow/mlflow.db").read_bytes()
    change = ("--set-param", "experiments.tiny.train.epochs=1")
    status, said = run(folder, "dvc", "exp", "run", "--name", "short", *change, "report@tiny")
    assert status == 0, said
    assert (folder / "mlflow/mlflow.db").read_bytes() == store
    status, said = run(folder, "dvc", "exp", "show", "--csv", "--only-changed", "--drop", UNREAD)
    assert status == 0, said
    head, *rows = csv.reader(said.splitlines())
    names = ("cbam_spatial", "cnn", "mha_linear_tokens")
    assert head[4:] == [
        *(f"reports/summary/tiny/{name}.json:accuracy" for name in names),
        "experiments.tiny.train.epochs",
    ]
    assert [row[-1] for row in rows] == ["1", "2", "1"], "workspace, commit, experiment"
    assert rows[2][0] == "short"
    status, said = run(folder, "dvc", "params", "diff", "--json")
    changed = {"experiments.tiny.train.epochs": {"old": 2, "new": 1, "diff": -1}}
    assert json.loads(said) == {"params.yaml": changed}


@pytest.mark.pipeline
def test_without_a_network_the_rest_is_still_finished(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    status, said = run(folder, "dvc", "repro", "--keep-going")
    assert status == 255
    (line,) = [line for line in said.splitlines() if "STL-10 cannot be fetched" in line]
    assert line.startswith("fetch@stl10: ")
    assert "no connection" in line
    assert "make demo needs neither network nor STL-10" in line
    assert "Running stage 'compare'" in said
    assert "| [tiny](tiny/report.md) |" in (folder / "reports/index.md").read_text()
    assert not (folder / "data/raw/stl10").exists()
    status, said = run(folder, "dvc", "repro")
    assert status == 255
    assert "STL-10 cannot be fetched" in said
    assert "compare" not in said, "the first failure stops it"


@pytest.mark.pipeline
def test_a_new_variant_schedules_its_own_stages_and_the_report(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    variants = folder / PACKAGE / "models" / "variants"
    shutil.copy(variants / "cbam.py", variants / "mine.py")
    params = load(folder / "params.yaml")
    params["variants"].append("mine")
    YAML().dump(params, folder / "params.yaml")
    status, said = run(folder, "dvc", "status", "--json")
    assert status == 0, said
    # always run; always run; never run here
    changed = set(json.loads(said)) - {"publish@tiny", "compare", "fetch@stl10"}
    assert changed == {"train@tiny-mine", "evaluate@tiny-mine", "report@tiny"}
    status, said = run(folder, "dvc", "repro", "evaluate@tiny-mine")
    assert status == 0, said
    ran = [line for line in said.splitlines() if line.startswith("Running stage")]
    assert ran == [f"Running stage '{stage}@tiny-mine':" for stage in ("train", "evaluate")]
    assert (folder / "reports/tiny/metrics/mine.json").exists()


@pytest.mark.pipeline
def test_an_experiment_of_fewer_variants_in_dvcs_own_copy_ends(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    for command in (["add", "-A"], ["commit", "-qm", "All"]):
        run(folder, "git", "-c", "user.name=she", "-c", "user.email=she@example.org", *command)
    given = ["--temp", "--name", "fewer", "-S", "variants=[cnn,cbam_spatial]", "report@tiny"]
    status, said = run(folder, "dvc", "exp", "run", *given)
    assert status == 0, said
    assert run(folder, "git", "status", "--porcelain") == (0, "")
    name = run(folder, "git", "for-each-ref", "--format=%(refname)", "refs/exps/**/fewer")[1]
    table = run(folder, "git", "show", f"{name.strip()}:reports/tiny/comparison.csv")[1]
    assert {row["variant"] for row in csv.DictReader(table.splitlines())} == {"cnn", "cbam_spatial"}


@pytest.mark.pipeline
def test_killed_anywhere_it_mends_to_the_same_bytes(ran, tmp_path):
    """`make torture` does this fifty times."""
    folder = tmp_path.resolve() / "copy"
    shutil.copytree(ran, folder)
    torture = Torture(folder, Random(5))  # noqa: S311 -- no secret
    for number in (0, 2, 3, 8, 1):  # fetch, train, evaluate, report, split
        torture.attempt(number)
    assert torture.count.total() == 5


@pytest.mark.pipeline
def test_what_is_damaged_at_random_is_noticed_and_mended(made, tmp_path):
    """`make damage` does this sixty times."""
    folder = tmp_path.resolve() / "copy"
    shutil.copytree(made, folder)
    damage = Damage(folder, Random(5))  # noqa: S311 -- no secret
    for number in (2, 4, 8, 9, 10):  # weights, metrics, DVC's own, its cache, MLflow's store
        damage.attempt(number)
    assert damage.count.total() == 5
