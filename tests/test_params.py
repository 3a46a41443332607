import pytest

from whitepatch import params
from whitepatch.errors import UserError

DEMO = "experiments.demo"


def test_the_committed_parameters_load(everything):
    assert set(everything.experiments) >= {"demo", "photos", "article", "corrected"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("runtime.device", "gpu", ["runtime.device", "'auto', 'cpu' or 'cuda'", '"gpu"']),
        ("runtime.threads", 0, ["runtime.threads", "greater than 0", "got 0"]),
        ("runtime.thread", 2, ["runtime.thread", "not a key", "got 2"]),
        ("runtime.threads", ..., ["runtime.threads", "is missing"]),
        (f"{DEMO}.train.epochs", "6", [f"{DEMO}.train.epochs", "valid integer", '"6"']),
        (f"{DEMO}.train.epochs", 6.5, [f"{DEMO}.train.epochs", "integer", "6.5"]),
        (f"{DEMO}.train.epochs", True, [f"{DEMO}.train.epochs", "integer", "true"]),
        (f"{DEMO}.train.learning_rate", float("nan"), ["learning_rate", "finite"]),
        (f"{DEMO}.train.seeds", [1, 1], [f"{DEMO}.train", "seeds must differ", "[1, 1]"]),
        (f"{DEMO}.train.batch_size", 1001, ["batch_size", "at most the 1000 images", "1001"]),
        (f"{DEMO}.patch.size", 17, [f"{DEMO}.patch", "at most 96", "81 - 1 + 17"]),
        (f"{DEMO}.patch.probability", 1.0, ["probability", "less than 1", "1.0"]),
        (f"{DEMO}.split.test.stop", 401, [f"{DEMO}.split.test.stop", "400 rows", "401"]),
        (f"{DEMO}.split.test.stop", 0, [f"{DEMO}.split.test.stop", "greater than 0", "got 0"]),
        (f"{DEMO}.split.validation.start", 999, [f"{DEMO}.split", "validation share rows"]),
        (f"{DEMO}.split.validation", None, [DEMO, "validation", "null"]),
        (f"{DEMO}.score.images", 5, [f"{DEMO}.score", "at most images", "6 of 5"]),
        (f"{DEMO}.score.first", 341, ["first + score.images", "at most the 400", "341 + 60"]),
        ("experiments.article.split.test.stop", 5001, ["5000 rows", "train file", "5001"]),
        ("experiments.article.patch.probability", 0.6, ["per_batch", "fair coin", "0.6"]),
        ("sources.stl10.test_y.bytes", 7999, ["27648", "7999 bytes of test_y", "221184000"]),
        ("sources.stl10.test_y.md5", "x", ["sources.stl10.test_y.md5", "pattern"]),
        ("sources.stl10.test_y.name", "/etc/passwd", ["test_y.name", "pattern"]),
        ("download.urls", ["ftp://x/y"], ["download.urls.0", "pattern", "ftp://x/y"]),
        ("download.urls", [], ["download.urls", "at least 1"]),
        ("sources.photos.test.photographs", ["china", "coffee"], ["one group only", "coffee"]),
        ("variants", ["cnn", "cnn"], ["variants must differ"]),
        ("variants", ["../cnn"], ["variants.0", "pattern", "../cnn"]),
        ("variants", [], ["variants", "at least 1"]),
    ],
)
def test_a_bad_value_is_refused_in_one_line_with_key_rule_and_value(edited, key, value, words):
    with pytest.raises(UserError) as refused:
        params.load(edited({key: value}))
    message = str(refused.value)
    assert "\n" not in message
    for word in ["params.yaml", *words]:
        assert word in message


def test_the_parts_of_a_split_keep_their_order(everything):
    assert list(everything.experiment("demo").split.parts()) == ["train", "validation", "test"]


def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path):
    broken = tmp_path / "params.yaml"
    broken.write_text("runtime: [1,\nvariants")
    with pytest.raises(UserError, match=r"^[^\n]*no readable YAML[^\n]*$"):
        params.load(broken)


def test_a_missing_file_says_where_to_stand(tmp_path):
    with pytest.raises(UserError, match="project's root"):
        params.load(tmp_path / "params.yaml")


def test_an_unknown_name_lists_the_known_ones(everything):
    with pytest.raises(UserError, match=r"no experiment 'mine'.* demo, photos"):
        everything.experiment("mine")
    with pytest.raises(UserError, match=r"no variant 'resnet'.*cnn, mha_linear"):
        everything.variant("resnet")
