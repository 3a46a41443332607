"""The name of a cell: what moves it, and what does not."""

import shutil
from pathlib import Path

import pytest

from whitepatch.cells import cell
from whitepatch.cells.cell import PACKAGE, Cell

MACHINE = {"device": "cpu", "device_name": "x", "threads": 1, "torch": "2"}
SHAPE = {
    *("seeding.py", "data/images.py", "models/classifier.py", "models/variants/cbam.py"),
    *(f"training/{name}.py" for name in ("adam", "loop", "machine", "schedule", "step")),
    *(f"models/layers/{name}.py" for name in ("__init__", "attention", "backbone", "cbam")),
    *(
        f"models/layers/{name}.py"
        for name in ("image", "norm", "positions", "readout", "tokens", "uniform")
    ),
}


@pytest.fixture
def one(everything):
    demo = everything.experiment("demo")
    return Cell("cbam", 3, "images", demo.train, demo.patch, demo.pixels, demo.runtime)


def test_a_line_of_code_moves_the_keys_of_what_it_shapes_and_no_others(one, tmp_path, monkeypatch):
    copy = tmp_path / "whitepatch"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cell, "PACKAGE", copy)
    before, moved = one.key(MACHINE), set()
    assert before == one.key(MACHINE)
    for path in copy.rglob("*.py"):
        text = path.read_text()
        path.write_text(text + "# more\n")
        if one.key(MACHINE) != before:
            moved.add(str(path.relative_to(copy)))
        path.write_text(text)
    assert moved == SHAPE


def test_what_shapes_a_training_is_what_it_imports(root):
    """But for what reads parameters and files, and what only says what is wrong."""
    from test_pipeline import imports

    loop = root / "src/whitepatch/training/loop.py"
    files = {str(path.relative_to(PACKAGE)) for path in imports(loop, root)}
    apart = {"errors.py", "files.py", "paths.py", "data/manifest.py", "data/layout.py"}
    apart |= {path for path in files if path.endswith("__init__.py")} | {
        "data/plan.py",
        "data/rows.py",
    }
    assert files - apart <= SHAPE


@pytest.mark.parametrize(
    ("section", "key", "value", "moves"),
    [
        ("train", "epochs", 9, True),
        ("train", "learning_rate", 0.1, True),
        ("train", "choose", "test", True),
        ("train", "seeds", (3, 4, 5), False),
        ("patch", "size", 4, True),
        ("patch", "value", 0.5, True),
        ("patch", "positions", 7, False),
        ("pixels", "scale", 64.0, True),
        ("runtime", "precision", "bf16", True),
        ("runtime", "threads", 9, False),
    ],
)
def test_of_the_parameters_those_count_that_shape_it(one, section, key, value, moves):
    part = getattr(one, section).model_copy(update={key: value})
    other = Cell(**{**vars(one), section: part})
    assert (other.key(MACHINE) != one.key(MACHINE)) == moves


@pytest.mark.parametrize("part", ["variant", "seed", "images"])
def test_variant_seed_and_images_count(one, part):
    other = {"variant": "cnn", "seed": 4, "images": "others"}[part]
    assert Cell(**{**vars(one), part: other}).key(MACHINE) != one.key(MACHINE)


@pytest.mark.parametrize("part", MACHINE)
def test_the_machine_counts(one, part):
    assert one.key(MACHINE | {part: "another"}) != one.key(MACHINE)


def test_all_code_that_shapes_is_there():
    assert all((Path(PACKAGE) / name).exists() for name in SHAPE)
