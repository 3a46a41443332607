import json
import subprocess
import sys

import cells
import full
import pytest
import speed
from helpers.training import small


def measured(epoch, memory, **more):
    return {
        "epoch": epoch,
        "train_rate": 100.0,
        "test_rate": 400.0,
        "peak_memory_mb": memory,
        "start_up": 3.0,
    } | more


@pytest.mark.usefixtures("torch_as_before")
def test_trainings_at_once_are_measured(everything, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = small(everything)
    monkeypatch.setattr("whitepatch.params.load", lambda: params)
    found = cells._filled("cnn", 1, 1)
    assert found["rate"] > 0
    assert found["memory"] > 1e8


def test_ratios_are_those_of_the_same_round():
    results = {
        "machine": {
            "device_name": "a machine",
            "threads": 2,
            "torch": "2",
            "python": "3",
            "system": "Linux",
            "matmul_flops": 1e11,
        },
        "rounds": 3,
        "images": {"batch": 100, "train": 400, "test": 200},
        "measured": {
            "article/cnn": [measured(epoch, 1000.0) for epoch in (6.0, 9.0, 4.0)],
            "ours/cnn": [measured(x, 250.0, flop_per_image=5e8) for x in (2.0, 1.0, 2.0)],
        },
    }
    row = speed.table(results).splitlines()[-1]
    assert row == (
        "| cnn | 6.00 | 2.00 | 3.00 (2.00 to 9.00) | 100 | 400 | 250 | 0.25 | 50% | 3.0 |"
    )


@pytest.mark.parametrize("thing", ["article/cnn", "ours/cnn"])
def test_a_measurement_is_a_process_of_its_own(root, thing):
    program = (
        "import sys; sys.argv = sys.argv[:1]; sys.path.insert(0, 'bench'); import speed; "
        "speed.BATCH, speed.NUM_TRAIN, speed.NUM_TEST = 2, 4, 2; "
        f"speed.main(rounds=1, device='cpu', threads=1, measure='{thing}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["epoch"] > 0
    assert found["peak_memory_mb"] > 50
    if thing.startswith("ours"):
        # convolutions: 191.7 MFLOP forward, 531 in all, for the weights and what they need
        assert found["flop_per_image"] == pytest.approx(531e6, rel=0.01)


def test_the_whole_training_has_the_articles_parameters(everything):
    article = everything.experiment("article")
    assert (
        article.patch,
        article.pixels,
        article.train,
    ) == (full.PATCH, full.PIXELS, full.PROTOCOL)


def test_the_whole_training_runs_where_little_is_installed(root, tmp_path):
    """In miniature; with nothing but torch, numpy, pydantic and safetensors."""
    program = f"""
import sys
for name in ("dvc", "mlflow", "ruamel", "tqdm", "typer", "yaml", "torchvision", "matplotlib"):
    sys.modules[name] = None
sys.path[:0] = [{str(root / "bench")!r}]
sys.argv[1:] = "--device cpu --threads 1 --epochs 2 --images 6 2 --batch 3".split()
import full
full.PRINTED = ("cnn", "mha_linear")
full.main()
"""
    subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, check=True
    )
    found = json.loads((tmp_path / "reports/bench/full-cpu-fp32.json").read_text())
    assert found["measured"].keys() == {"cnn", "mha_linear"}
    for one in found["measured"].values():
        assert one["same_bytes_twice"]
        assert len(one["seconds"]) == 1
        assert one["seconds"][0] > 0
