"""The STL-10 experiments from the network to the last page, on a small stand-in for STL-10.

A real server on this machine serves an archive in STL-10's exact layout, made of photographs; it
drops, stalls, changes and forgets. `make check` runs this, and CI does.
"""

import csv

import numpy as np
import pytest
from helpers import standin
from helpers.project import copy, load, name_variants, run
from helpers.server import How, serving

from whitepatch.sources import cropping
from whitepatch.sources.photos.catalogue import read

ROWS = {"train": 300, "test": 150}
SEEDS = [0, 1]


@pytest.fixture(scope="module")
def content(everything):
    """Return the members of the stand-in: crops of photographs, with STL-10's labels."""
    found = {}
    for file, number in ROWS.items():
        settings = everything.sources.photos.model_copy(update={"crops": number})
        images = cropping.crops(settings, file, ["china", "coffee"], read)
        found[f"{file}_X"] = images.swapaxes(2, 3).tobytes()
        found[f"{file}_y"] = (1 + np.arange(number) % 10).astype(np.uint8).tobytes()
    found["unlabeled_X"] = np.random.default_rng(5).bytes(100 * 3 * 96 * 96)
    return found


@pytest.fixture(scope="module")
def rehearsed(root, content, tmp_path_factory):
    """Return a copy of the project in which `dvc repro` has run, and what the server was asked."""
    folder = tmp_path_factory.mktemp("rehearsal")
    archive = standin.archive(content)
    script = [
        How(drop=len(archive) // 4),
        How(stall=1000),
        How(etag='"2"'),
        How(status=503),
        How(close=len(archive) // 3),
        How(ranges=False),
        How(claim=1000, close=len(archive) // 3),
        How(),
    ]
    with serving(archive, *script) as server:
        params = load(root / "params.yaml")
        params["sources"]["stl10"] = standin.members(content)
        params["download"] |= {"urls": [server.url], "stall_timeout": 1, "pause": 0.1}
        params["experiments"] = {
            name: params["experiments"][name] for name in ("article", "corrected")
        }
        three = {name: ["cnn", "mha_conv1d", "cbam"] for name in params["experiments"]}
        name_variants(params, three)
        params["sweeps"] = {}
        for experiment in params["experiments"].values():
            experiment["train"] |= {"seeds": SEEDS, "epochs": 2}
            experiment["score"] = {"first": 0, "images": 20, "panel": 6} | {"movers": 2, "grid": 2}
            experiment["split"]["train"]["stop"] = 200
        article, corrected = (params["experiments"][x]["split"] for x in ("article", "corrected"))
        article["test"] = {"file": "train", "start": 200, "stop": 300}
        corrected["validation"] = {"file": "train", "start": 200, "stop": 300}
        corrected["test"]["stop"] = ROWS["test"]
        copy(root, folder, params)
        status, said = run(folder, "dvc", "repro")
        assert status == 0, said
        assert said.rindex("Running stage 'compare'") > said.rindex("Running stage 'report@")
        yield folder, server


pytestmark = pytest.mark.pipeline


def test_the_files_are_the_members_whatever_the_server_did(rehearsed, content):
    folder, server = rehearsed
    assert len(server.asked) == 8
    for key in ("train_X", "train_y", "test_X", "test_y"):
        assert (folder / f"data/raw/stl10/{key}.bin").read_bytes() == content[key]
    assert not list((folder / "data/downloads").iterdir())


def test_the_manifests_are_the_protocols(rehearsed):
    folder, _ = rehearsed

    def labels(name, split):
        with (folder / f"data/split/{name}.csv").open() as file:
            return [int(row["label"]) for row in csv.DictReader(file) if row["split"] == split]

    printed = [1, 1, 1, 0, 1, 0, 1, 1, 0, 1]
    train, test = labels("article", "train"), labels("article", "test")
    assert train[:10] == printed
    assert train[:100] == train[100:] == test, "every batch repeats the same plan"
    assert labels("corrected", "train")[:100] != labels("corrected", "train")[100:]
    assert len(labels("corrected", "test")) == ROWS["test"]


@pytest.mark.parametrize("name", ["article", "corrected"])
def test_the_report_says_stand_in_and_shows_the_published_numbers(rehearsed, name):
    folder, _ = rehearsed
    published = {"cnn": "0.0541", "mha_conv1d": "0.0143", "cbam": "0.0280"}
    for file in ("report.html", "report.md"):
        text = (folder / "reports" / name / file).read_text(encoding="utf-8")
        assert "a stand-in for STL-10, an archive of its layout with other images" in text
        assert all(number in text for number in published.values())
        assert ("lowest test loss" in text) == (name == "article")


def test_the_overview_shows_both_beside_the_article(rehearsed):
    folder, _ = rehearsed
    text = (folder / "reports/index.md").read_text(encoding="utf-8")
    assert "| variant | published | article | corrected |" in text
    assert "| CNN | 0.0541 |" in text
    assert text.count("stl10, stand-in") == 2
    assert "all images are stand-ins" in text
    assert text.count("a stand-in for STL-10") == 1
    html = (folder / "reports/index.html").read_text(encoding="utf-8")
    assert 'href="article/report.html"' in html


def test_a_second_run_has_nothing_to_do(rehearsed):
    folder, server = rehearsed
    before = len(server.asked)
    status, said = run(folder, "dvc", "repro")
    assert status == 0, said
    ran = [line for line in said.splitlines() if line.startswith("Running stage")]
    assert sorted(ran) == [
        f"Running stage '{name}':" for name in ("compare", "publish@article", "publish@corrected")
    ]
    assert len(server.asked) == before
