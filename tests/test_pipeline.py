"""The pipeline file, tested like code; and the whole pipeline, in miniature, run for real."""

import ast
import csv
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from damage import VERIFY, Damage, damage
from helpers.project import load, name_variants, results, run
from ruamel.yaml import YAML

from whitepatch import params
from whitepatch.maps.scores import SCORES
from whitepatch.tracking.replay import runs

PACKAGE = Path("src/whitepatch")
PLUMBING = {
    PACKAGE / name
    for name in (
        *("__init__.py", "programs.py", "paths.py", "errors.py", "files.py"),
        *("stages/__init__.py", "stages/under_dvc.py", "models/__init__.py"),
        *(f"cells/{name}.py" for name in ("__init__", "cell", "filling", "snapshot", "store")),
        "cells/worker.py",
        "models/variants/__init__.py",
        "sources/__init__.py",  # finds a source's package
    )
}
"""These cannot move a number; values are tracked as parameters, key by key."""
APART = ("whitepatch.params", "whitepatch.tracking", "whitepatch.tracking.naming")
"""What MLflow is told of a training cannot move it: tests/tracking/test_following.py."""


def seeded():
    """Return the same draws for every test."""
    return Random(5)  # noqa: S311 -- no secret


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


@pytest.mark.parametrize(
    "name", ["fetch", "split", "train", "sweep", "evaluate", "report", "compare"]
)
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
        if file.relative_to(root) not in PLUMBING and not covered(file, deps, root)
    }
    assert not missing


def test_dependencies_exist_and_parameters_too(root):
    params = load(root / "params.yaml")
    for name, stage in load(root / "dvc.yaml")["stages"].items():
        for dep in template(stage).get("deps", []):
            dep = dep.replace("${item.variant}", "cnn").replace("${key}", "photos")
            dep = dep.replace("${item.source}", "photos")
            assert not dep.startswith("src") or (root / dep).exists(), f"{name}: {dep}"
        for key in template(stage).get("params", []):
            key = key.replace("sources.${key}", "sources.photos")
            key = key.replace("sweeps.${key}", "sweeps.demo-size")
            key = key.replace("sources.${item.source}", "sources.photos")
            key = key.replace("${item.experiment}", "demo").replace("${key}", "demo")
            section = params
            for part in key.split("."):
                section = section[part]


def test_a_variants_file_is_a_dependency_of_its_own_stages_only(root):
    stages = load(root / "dvc.yaml")["stages"]
    for name in ("train", "evaluate"):
        deps = template(stages[name])["deps"]
        assert "src/whitepatch/models/variants/${item.variant}.py" in deps
    for name, stage in stages.items():
        deps = template(stage).get("deps", [])
        every = any(dep.rstrip("/").endswith("models/variants") for dep in deps)
        pages = ("report", "compare")
        assert every == (name in pages), "they describe all of them, and cost seconds"


@pytest.fixture(scope="module")
def ran(made, tmp_path_factory):
    """Return the project in miniature, everything made."""
    folder = tmp_path_factory.mktemp("ran").resolve() / "miniature"
    shutil.copytree(made, folder)
    status, said = run(folder, "dvc", "repro", "publish@tiny")
    assert status == 0, said
    return folder


@pytest.mark.pipeline
def test_a_second_run_does_nothing_but_ask_mlflow(ran):
    status, said = run(ran, "dvc", "repro", "publish@tiny")
    assert status == 0, said
    assert said.count("Running stage") == 1
    assert "0 written, 7 unchanged, 0 removed" in said


@pytest.mark.pipeline
def test_a_run_shows_losses_to_the_last_bit(ran, monkeypatch):
    monkeypatch.chdir(ran)
    read = {one.key: one for one in runs("tiny", params.load())}
    with (ran / "reports/tiny/history/cnn.csv").open() as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file) if row["seed"] == "1"]
    assert [value for _, value in read["tiny/cnn/1"].series["train_loss"]] == losses


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
def test_mlflow_has_few_sections_of_charts(ran):
    """What stands before the last slash of a metric's name is a section."""
    with closing(sqlite3.connect(ran / "mlflow/mlflow.db")) as store:
        names = [name for (name,) in store.execute("SELECT DISTINCT key FROM metrics")]
    scores = {f"score {kind}" for kind in SCORES}
    sections = {name.rpartition("/")[0] for name in names if "/" in name}
    # these three variants have no claims
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
    assert curves["hconcat"][0]["facet"]["column"]["field"] == "split"
    points = curves["data"]["values"]
    assert {point["split"] for point in points} == {"train", "validation", "test"}
    assert len({point["variant"] for point in points}) == 3
    assert "<DVC_METRIC" not in drawn
    assert specs["reports_tiny_history_cnn_csv"]["title"]["text"] == "tiny, cnn"
    assert specs["reports_tiny_metrics_cnn_json"] == {}, "the page leaves it out"
    assert drawn.count("figures_errors.png") == 1


@pytest.mark.pipeline
def test_a_new_variant_schedules_its_own_stages_and_the_report(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran, folder)
    variants = folder / PACKAGE / "models" / "variants"
    shutil.copy(variants / "cbam.py", variants / "mine.py")
    params = load(folder / "params.yaml")
    name_variants(params, {"tiny": [*params["experiments"]["tiny"]["variants"], "mine"]})
    YAML().dump(params, folder / "params.yaml")
    status, said = run(folder, "dvc", "status", "--json")
    assert status == 0, said
    # always run; always run; never run here, both
    changed = set(json.loads(said)) - {"publish@tiny", "compare", "fetch@stl10", "sweep@demo-size"}
    assert changed == {"train@tiny-mine", "evaluate@tiny-mine", "report@tiny"}


@pytest.mark.pipeline
def test_what_size_and_time_hide_make_verify_sees_and_dvc_mends(made, tmp_path):
    """As docs/pipeline.md says; damage.py does this with files of all kinds."""
    folder = shutil.copytree(made, tmp_path.resolve() / "copy")
    project = Damage(folder, seeded())
    model, metrics = folder / "models/tiny/cnn/seed-01.safetensors", "reports/tiny/metrics/cnn.json"
    run(folder, "dvc", "status", "--with-deps", "report@tiny")  # now DVC knows size and time
    for path in (model, folder / metrics):
        damage(path, "a bit, unseen", seeded())
    assert "up to date" in run(folder, "dvc", "status", "--with-deps", "report@tiny")[1]
    status, said = run(folder, *VERIFY)
    assert status == 2
    assert re.findall(r"modified: +(\S+)", said).count("models/tiny/cnn") == 2, "made, and used"
    assert f"modified:           {metrics}" in said
    project._mend("a model and metrics")
    assert results(folder) == project.before
    digest = load(folder / "dvc.lock")["stages"]["train@tiny-cnn"]["outs"][0]["md5"]
    listed = folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    damage(listed, "a bit, unseen", seeded())
    status, said = run(folder, *VERIFY)
    assert (status, said.partition("\n")[0]) == (2, f"object {digest} is corrupted")
    assert not listed.exists()
    assert run(folder, "dvc", "commit", "train@tiny-cnn")[0] == 0
    assert run(folder, *VERIFY) == (0, "All that is here is as dvc.lock has it.\n")


@pytest.mark.pipeline
def test_what_is_damaged_in_a_remote_that_is_verified_is_not_taken(made, tmp_path):
    folder, remote = shutil.copytree(made, tmp_path / "copy"), tmp_path / "remote"
    model = folder / "models/tiny/cnn"
    whole = {path.name: path.read_bytes() for path in model.iterdir()}
    for command in (
        ("remote", "add", "-q", "-d", "team", str(remote)),
        ("remote", "modify", "team", "verify", "true"),
        ("push", "train@tiny-cnn"),
    ):
        assert run(folder, "dvc", *command)[0] == 0
    damage(max(remote.rglob("*"), key=lambda path: path.stat().st_size), "a bit", seeded())
    shutil.rmtree(model)
    shutil.rmtree(folder / ".dvc/cache")
    run(folder, "dvc", "pull", "--allow-missing", "train@tiny-cnn")
    pulled = {path.name: path.read_bytes() for path in model.glob("*")}
    assert pulled.items() < whole.items(), "the damaged one is as good as missing"


@pytest.mark.pipeline
def test_what_others_leave_in_folders_enters_no_sum(ran, tmp_path):
    folder = shutil.copytree(ran, tmp_path / "copy")
    for name in (
        "reports/tiny/maps/.cnn.partial.npz",
        "models/tiny/cnn/.DS_Store",
        "src/whitepatch/data/Thumbs.db",
        "reports/tiny/maps/#x#",
    ):
        (folder / name).write_bytes(b"")
    said = run(folder, "dvc", "status", "--with-deps", "report@tiny")[1]
    assert said == "Data and pipelines are up to date.\n"


@pytest.mark.pipeline
def test_an_experiment_of_dvc_in_its_own_copy_can_be_compared_and_publishes_nothing(ran, tmp_path):
    folder = shutil.copytree(ran, tmp_path / "copy")
    for command in (["add", "-A"], ["commit", "-qm", "All"]):
        run(folder, "git", "-c", "user.name=she", "-c", "user.email=she@example.org", *command)
    store = (folder / "mlflow/mlflow.db").read_bytes()
    fewer = "experiments.tiny.variants=[cnn,cbam_spatial]", "~networks.tiny-mha_linear_tokens"
    given = [word for change in fewer for word in ("-S", change)]
    status, said = run(
        folder, "dvc", "exp", "run", "--temp", "--name", "fewer", *given, "report@tiny"
    )
    assert status == 0, said
    assert (folder / "mlflow/mlflow.db").read_bytes() == store
    assert run(folder, "git", "status", "--porcelain") == (0, "")
    name = run(folder, "git", "for-each-ref", "--format=%(refname)", "refs/exps/**/fewer")[1]
    table = run(folder, "git", "show", f"{name.strip()}:reports/tiny/comparison.csv")[1]
    assert {row["variant"] for row in csv.DictReader(table.splitlines())} == {"cnn", "cbam_spatial"}
    status, said = run(folder, "dvc", "exp", "show", "--csv", "--drop", UNREAD)
    assert status == 0, said
    head, *rows = csv.DictReader(said.splitlines()).reader
    names = ("cbam_spatial", "cnn", "mha_linear_tokens")
    assert {f"reports/summary/tiny/{name}.json:accuracy" for name in names} <= set(head)
    assert [row[0] for row in rows][2:] == ["fewer"], "behind the workspace and the commit"


@pytest.mark.pipeline
def test_without_a_network_the_rest_is_still_finished(ran, tmp_path):
    folder = shutil.copytree(ran, tmp_path / "copy")
    status, said = run(folder, "dvc", "repro", "--keep-going")
    assert status == 255
    (line,) = [line for line in said.splitlines() if "STL-10 cannot be fetched" in line]
    assert line.startswith("fetch@stl10: ")
    assert "Running stage 'compare'" in said
    assert "| [tiny](tiny/report.md) |" in (folder / "reports/index.md").read_text()
    assert not (folder / "data/raw/stl10").exists()
