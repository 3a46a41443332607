import pytest
from helpers.pictures import patch_of
from helpers.project import load as parsed

from whitepatch import params
from whitepatch.errors import UserError

DEMO, STL = "experiments.demo", "experiments.corrected"

ROWS = {
    "train": {"file": "train", "start": 0, "stop": 900},
    "validation": {"file": "train", "start": 900, "stop": 990},
    "test": {"file": "train", "start": 990, "stop": 1390},
}
FOLDS = {"folds": 5, "train": 1000, "validation": 200, "test": 400}
PATCH = patch_of(size=8, positions=20).model_dump(mode="json")
MIXED = {"sizes": [4], "contrasts": [1]}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            f"{DEMO}.runtime.device",
            "gpu",
            [f"{DEMO}.runtime.device", "'auto', 'cpu' or 'cuda'", '"gpu"'],
        ),
        (f"{DEMO}.runtime.threads", 0, [f"{DEMO}.runtime.threads", "greater than 0", "got 0"]),
        (f"{DEMO}.runtime.thread", 2, [f"{DEMO}.runtime.thread", "not a key", "got 2"]),
        (f"{DEMO}.runtime.threads", ..., [f"{DEMO}.runtime.threads", "is missing"]),
        (f"{DEMO}.train.epochs", "6", [f"{DEMO}.train.epochs", "valid integer", '"6"']),
        (f"{DEMO}.train.epochs", 6.5, [f"{DEMO}.train.epochs", "integer", "6.5"]),
        (f"{DEMO}.train.epochs", True, [f"{DEMO}.train.epochs", "integer", "true"]),
        (f"{DEMO}.train.learning_rate", float("nan"), ["learning_rate", "finite"]),
        (f"{DEMO}.train.seeds", [1, 1], [f"{DEMO}.train", "seeds must differ", "[1, 1]"]),
        (f"{DEMO}.train.batch_size", 1001, ["batch_size", "at most the 800 images", "1001"]),
        (f"{DEMO}.patch.size", 17, [f"{DEMO}.patch", "at most 96", "81 - 1 + 17"]),
        (f"{DEMO}.patch.probability", 1.5, ["probability", "less than or equal to 1", "1.5"]),
        (f"{DEMO}.split.test", 0, [f"{DEMO}.split.test: ", "greater than 0", "got 0"]),
        (f"{DEMO}.split.folds", 2, [f"{DEMO}.split.folds: ", "equal to 3", "got 2"]),
        (f"{DEMO}.split", ROWS, [DEMO, "by rows for stl10, and by folds for every other source"]),
        (f"{STL}.split", FOLDS, [STL, "by rows for stl10, and by folds for every other source"]),
        (f"{STL}.split.test.stop", 8001, [f"{STL}.split.test.stop", "8000 rows", "8001"]),
        (f"{STL}.split.test.stop", 0, [f"{STL}.split.test.stop: ", "greater than 0", "got 0"]),
        (f"{STL}.split.validation.start", 999, [f"{STL}.split", "validation share rows"]),
        (f"{STL}.split.validation", None, [STL, "validation", "null"]),
        (f"{DEMO}.patch.task", "count", ["patch.task", "'compare' or 'arrange'", '"count"']),
        (f"{DEMO}.patch.mixture", {"sizes": [], "contrasts": [1]}, ["mixture.sizes", "at least 1"]),
        (f"{DEMO}.patch", PATCH | {"distractor": 0.0, "task": "compare"}, ["task detect alone"]),
        (f"{DEMO}.patch", PATCH | {"distractor": 0.0, "mixture": MIXED}, ["no distractor"]),
        (f"{DEMO}.patch", PATCH | {"distractor": 0.0, "size": 60}, ["at least 61", "got 20"]),
        (f"{DEMO}.patch", PATCH | {"task": "arrange"}, ["at least 85 for two", "got 20"]),
        (f"{DEMO}.patch", PATCH | {"task": "compare"}, ["at least 49 for two", "got 20"]),
        ("experiments.article.patch.task", "arrange", ["per_batch detects", "arrange, 0.5"]),
        (f"{DEMO}.score.images", 5, [f"{DEMO}.score", "at most images", "6 of 5"]),
        (f"{DEMO}.score.first", 341, ["first + score.images", "at most the 400", "341 + 60"]),
        ("experiments.article.split.test.stop", 5001, ["5000 rows", "train file", "5001"]),
        ("experiments.article.patch.probability", 0.6, ["per_batch", "fair coin", "0.6"]),
        ("sources.stl10.test_y.bytes", 7999, ["27648", "7999 bytes of test_y", "221184000"]),
        ("sources.stl10.test_y.md5", "x", ["sources.stl10.test_y.md5", "pattern"]),
        ("sources.stl10.test_y.name", "/etc/passwd", ["test_y.name", "pattern"]),
        ("download.urls", ["ftp://x/y"], ["download.urls.0", "pattern", "ftp://x/y"]),
        ("download.urls", [], ["download.urls", "at least 1"]),
        ("sources.photos.scenes.china", ["coffee"], ["one scene only", "coffee"]),
        (f"{DEMO}.variants", ["cnn", "cnn"], [DEMO, "variants must differ", "['cnn', 'cnn']"]),
        (f"{DEMO}.variants", ["../cnn"], [f"{DEMO}.variants.0", "pattern", "../cnn"]),
        (f"{DEMO}.variants", [], [f"{DEMO}.variants", "at least 1"]),
        (f"{DEMO}.variants", ..., [f"{DEMO}.variants", "is missing"]),
        (
            f"{DEMO}.variants",
            ["cnn", "resnet"],
            [f"{DEMO}.variants", "no file resnet.py", "take it out"],
        ),
        (
            f"{DEMO}.variants",
            ["cnn"],
            [
                "networks must have a line for each of experiments.*.variants, and no other",
                "take out the line demo-cbam: {experiment: demo, variant: cbam}",
            ],
        ),
        (
            "networks.demo-cnn",
            ...,
            [
                "networks",
                "demo-cnn is missing: add the line demo-cnn: {experiment: demo, variant: cnn}",
            ],
        ),
        (
            "networks.demo-cnn",
            {"experiment": "demo", "variant": "cbam"},
            [
                "networks.demo-cnn must be {experiment: demo, variant: cnn}",
                "got {experiment: demo, variant: cbam}; mend it",
            ],
        ),
        (
            "networks.of mine",
            {"experiment": "demo", "variant": "cnn"},
            ["'of mine' is of none: take out the line of mine: {experiment: demo, variant: cnn}"],
        ),
        ("networks.demo-cnn.seed", 1, ["networks.demo-cnn.seed", "not a key", "got 1"]),
        ("networks", ..., ["networks", "is missing"]),
        ("variants", ["cnn"], ["variants", "not a key"]),
        ("experiments", {}, ["experiments", "at least 1"]),
        ("shared", ..., ["shared", "is missing"]),
        ("live", ["mine"], ["live", "demo, photos", "'mine'"]),
        (f"{DEMO}.runtime.threads", 10**9, [f"{DEMO}.runtime.threads", "256", "1000000000"]),
        ("sources.photos.crops", 10**12, ["photos.crops", "1000", "1000000000000"]),
        ("download.archive", "", ["download.archive", "at least 1 character"]),
        (f"{DEMO}.patch.value", 1e308, ["patch.value", "1000", "1e+308"]),
        (f"{DEMO}.pixels.scale", 1e-320, ["pixels.scale", "1e-320"]),
        (f"{DEMO}.pixels.offset", 1e39, ["pixels.offset", "255"]),
        (f"{DEMO}.train.epochs", 10**12, ["train.epochs", "1000"]),
        (f"{DEMO}.train.learning_rate", 1e308, ["learning_rate", "1000"]),
        (f"{DEMO}.train.seeds", [2**32], ["train.seeds.0", "less than 4294967296"]),
        (f"{DEMO}.score.movers", 61, ["score", "movers", "61 of 60"]),
        (f"{DEMO}.patch.positions", 4, ["score.grid", "the 4 of patch.positions", "5"]),
        ("experiments.article.patch.seed", 2**32 - 1, ["batch_size", "4294967295 + "]),
        (f"{DEMO}.runtime.device", "x" * 5000, ["xxx ... xxx"]),
    ],
)
def test_a_bad_value_is_refused_in_one_line_with_key_rule_and_value(edited, key, value, words):
    with pytest.raises(UserError) as refused:
        params.load(edited({key: value}))
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 500
    for word in ["params.yaml", *words]:
        assert word in message


def test_the_parts_of_a_split_keep_their_order(everything):
    for name in ("demo", "corrected"):
        split = everything.experiment(name).split
        assert list(split.numbers()) == ["train", "validation", "test"]


@pytest.mark.parametrize("name", ["bench", "summary"])
def test_an_experiment_may_not_take_another_folder_of_reports(root, edited, name):
    demo = parsed(root / "params.yaml")["experiments"]["demo"]
    with pytest.raises(UserError, match=f"experiments.{name}: reports/{name} is another folder"):
        params.load(edited({f"experiments.{name}": demo}))


def test_what_is_shared_counts_where_it_is_taken_over_alone(root, tmp_path):
    """The names in `shared` are of no experiment, so a change of one experiment stays there."""
    text = (root / "params.yaml").read_text()
    target = tmp_path / "params.yaml"
    before, demo = params.load(root / "params.yaml").experiments, "\n  demo:"
    target.write_text(text.replace("size: 16 ", "size: 15 "))
    sizes = {name: it.patch.size for name, it in params.load(target).experiments.items()}
    assert sizes == dict.fromkeys(before, 15)
    head, _, tail = text.partition(demo)
    target.write_text(head + demo + tail.replace("<<: *patch", "<<: *patch\n      size: 15", 1))
    after = params.load(target).experiments
    assert [name for name in before if before[name] != after[name]] == ["demo"]
    assert after["demo"].patch.size == 15


def test_a_missing_file_says_where_to_stand(tmp_path):
    with pytest.raises(UserError, match="project's root"):
        params.load(tmp_path / "params.yaml")


def test_an_unknown_name_lists_the_known_ones(everything):
    with pytest.raises(UserError, match=r"no experiment 'mine'.* demo, photos"):
        everything.experiment("mine")
    with pytest.raises(
        UserError, match=r"no variant 'resnet' in experiments\.demo of .*cnn, cnn_max"
    ):
        everything.variant("demo", "resnet")


def test_networks_are_the_variants_of_the_experiments(root):
    """DVC reads the one, people write the other; the order of the lists is that of tables."""
    committed = parsed(root / "params.yaml")
    assert committed["networks"] == {
        f"{name}-{variant}": {"experiment": name, "variant": variant}
        for name, experiment in committed["experiments"].items()
        for variant in experiment["variants"]
    }


def test_experiments_may_have_different_variants(edited, root):
    networks = parsed(root / "params.yaml")["networks"]
    mine = {key: it for key, it in networks.items() if it["experiment"] != "demo"}
    mine["demo-cbam"] = {"experiment": "demo", "variant": "cbam"}
    changed = params.load(edited({f"{DEMO}.variants": ["cbam"], "networks": mine}))
    assert changed.experiment("demo").variants == ("cbam",)
    assert changed.variant("photos", "cnn") == "cnn"
    with pytest.raises(UserError, match=r"no variant 'cnn' in experiments\.demo"):
        changed.variant("demo", "cnn")


def test_an_evaluation_names_all_that_makes_a_seeds_result(everything, root):
    """Each section by itself: all of the experiment would have its variants, too."""
    evaluate = parsed(root / "dvc.yaml")["stages"]["evaluate"]["do"]
    sections = params.protocol(everything.experiment("demo"))
    assert set(evaluate["params"]) == {f"experiments.${{item.experiment}}.{it}" for it in sections}


def test_a_result_does_not_depend_on_which_other_variants_there_are(everything):
    demo = everything.experiment("demo")
    fewer = demo.model_copy(update={"variants": ("cnn",)})
    assert params.protocol(fewer) == params.protocol(demo)
