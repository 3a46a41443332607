"""Whatever stands in params.yaml works, or is refused in one line before any work."""

import contextlib
import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.pictures import CPU, images_of
from helpers.project import load as parsed
from helpers.project import name_variants
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whitepatch import params
from whitepatch.errors import UserError
from whitepatch.maps.interventions import moved, occlusion
from whitepatch.training.loop import Training, train

LONGEST = 500
"""Characters of a refusal, beside the path of the file."""

HERE = "@here@"
"""Stands where a value of any kind is put."""

NUMBERS = ["0", "-1", "9" * 40, "-" + "9" * 40, str(2**32), str(2**63), "1" + "0" * 5000, "1e308"]
NUMBERS += [".nan", ".inf", "-.inf", "1e-320", "1e999", "-0.0", "0x7", "0o8", "1_0", "0.5"]
WORDS = ["true", "null", "~", '""', '"a\\nb"', '"\\ud800"', "Größe", "'../x'", '"a\\0b"', "x" * 999]
ODD = ["2021-01-01", "2021-13-45", "!!binary aGk=", "!!set {a}", "!!python/object:os.system x"]
ODD += ["!!int x", "!!bool x", "!!omap [a: 1]", "!mine x", "*nobody", "&a [*a]", "&a {b: *a}"]
ODD += ["[", "}", "\t", "a: b: c", "? [1]", "{[1]: 2}", "{2021-01-01: 1}", "{null: 1}", "%x", "`"]
MANY = ["[1, 1]", "[0, 0.0]", "[cnn, cnn]", "{}", "[]", "[[[[]]]]", "[" * 99 + "]" * 99]
TEXTS = st.one_of(
    st.sampled_from([*NUMBERS, *WORDS, *ODD, *MANY]),
    st.integers().map(str),
    st.floats().map(lambda x: repr(x).replace("inf", ".inf").replace("nan", ".nan")),
    st.text(max_size=30).map(json.dumps),
    st.text(max_size=30),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    ).map(json.dumps),
)


def places(value, where=()):
    """Yield the path of every value, sections and lists among them."""
    if where:
        yield where
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inside in pairs:
            yield from places(inside, (*where, key))


@pytest.fixture(scope="module")
def committed(root):
    """Return the sections of the committed params.yaml."""
    return parsed(root / "params.yaml")


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Return where an example's file is written, again and again."""
    return tmp_path_factory.mktemp("params") / "params.yaml"


def loaded(target, text):
    """Return the parameters of a text, or None if it is refused as it should be."""
    target.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        return params.load(target)
    except UserError as refused:
        message = str(refused).replace(str(target), "params.yaml")
        assert message.startswith("params.yaml")
        assert len(message.splitlines()) == 1
        assert len(message) < LONGEST
        return None


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_loads_or_is_refused_in_one_line(committed, target, data):
    content = deepcopy(committed)
    *path, last = data.draw(st.sampled_from(list(places(content))))
    section = content
    for key in path:
        section = section[key]
    what = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if what == "remove":
        del section[last]
    elif what == "add" and isinstance(section, dict):
        section[data.draw(st.text(max_size=20))] = HERE
    else:
        section[last] = HERE
    # JSON is YAML
    text = json.dumps(content, indent=1, ensure_ascii=False)
    loaded(target, text.replace(json.dumps(HERE), data.draw(TEXTS)))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_edit_of_a_line_loads_or_is_refused_in_one_line(root, target, data):
    lines = (root / "params.yaml").read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    news = st.sampled_from(
        ["", line + "\n" + line, line[2:], "  " + line, line.replace("<<: ", "")]
    )
    lines[number] = data.draw(
        news | TEXTS | TEXTS.map(lambda text: f"{line.split(':')[0]}: {text}")
    )
    loaded(target, "\n".join(lines))


@given(text=st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*!?|>%@`#,'\"\n\t 01", max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused_in_one_line(target, text):
    assert loaded(target, text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "should be an object, got null"),
        ("- 1", "should be an object, got [1]"),
        ("cells: [1,\nvariants", "no readable YAML: while parsing a flow sequence"),
        ("a: 1\n---\nb: 2", "a single document"),
        ("a:\n\tb: 1", "cannot start any token"),
        ("a: 1\na: 2", "duplicate key"),
        ("a: &a [*a]", "no readable YAML: Circular reference"),
        ("a: [1, {b: 2021-01-01}]", "no readable YAML: Object of type date"),
        ("a: 2021-13-45", "no readable YAML: month must be in 1..12"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: !!int x", "no readable YAML: invalid literal"),
        ("a: x\0", "no readable YAML"),
        ("a: " + "[" * 999, "no readable YAML"),
    ],
)
def test_odd_yaml_is_refused_in_words(target, text, words):
    target.write_text(text)
    with pytest.raises(UserError) as refused:
        params.load(target)
    assert words in str(refused.value)
    assert loaded(target, text) is None


def test_bytes_that_are_no_text_are_refused(target):
    target.write_bytes(b"a: \xff")
    with pytest.raises(UserError, match="no readable YAML"):
        params.load(target)


EXTREME = {
    "patch.plan": st.sampled_from(["per_image", "per_batch"]),
    "patch.seed": st.integers(0, 2**32 - 1) | st.integers(2**32 - 9, 2**32),
    "patch.probability": st.sampled_from([0.5, 0.5, 1e-320, 1 - 1e-16]) | st.floats(0, 1),
    "patch.size": st.integers(1, 95) | st.sampled_from([15, 16, 95]),
    "patch.positions": st.integers(1, 96) | st.sampled_from([1, 2, 81]),
    "patch.value": st.floats(-1000, 1000) | st.sampled_from([-1000, 1000, 1e39, 1e-320]),
    "pixels.offset": st.floats(0, 255) | st.sampled_from([0, 255, 1e39, -1e308]),
    "pixels.scale": st.floats(1, 1000) | st.sampled_from([1, 1000, 1e-40, 1e-320, 1e308]),
    "train.epochs": st.integers(1, 2),
    "train.batch_size": st.integers(1, 9),
    "train.loss": st.sampled_from(["logits", "printed"]),
    "train.learning_rate": st.floats(0, 1000) | st.sampled_from([1e-320, 1000, 1e38, 1e308]),
    "train.schedule": st.sampled_from(["one_cycle", "constant"]),
    "train.rise": st.floats(0, 1) | st.sampled_from([0, 1e-320, 1 - 1e-16, 1]),
    "train.choose": st.sampled_from(["validation", "test"]),
    "score.first": st.integers(0, 4),
    "score.images": st.integers(1, 9),
    "score.panel": st.integers(1, 3),
    "score.movers": st.integers(1, 5),
    "score.grid": st.integers(2, 4),
}


@pytest.fixture
def small(committed):
    """Return parameters of one small experiment."""
    content = deepcopy(committed)
    content["experiments"] = {"demo": content["experiments"]["demo"]}
    name_variants(content, {})
    content["live"] = []
    demo = content["experiments"]["demo"]
    demo["split"] |= {"train": 16, "validation": 16, "test": 16}
    demo["score"] |= {"images": 8, "panel": 1, "movers": 1, "grid": 2}
    demo["train"] |= {"batch_size": 4, "epochs": 1}
    return content


def try_out(experiment, runtime):
    """Do what could fail of a split, a training and the probes; they may refuse, and no more."""
    most = experiment.patch.positions - 1
    pictures = replace(images_of(4, 1), patch=experiment.patch, pixels=experiment.pixels)
    tops, lefts = (x.clamp(max=most) for x in (pictures.tops, pictures.lefts))
    pictures = replace(pictures, tops=tops, lefts=lefts)
    training = Training.start("cnn", 0, CPU)
    train(
        training,
        0,
        dict.fromkeys(("train", "validation", "test"), pictures),
        experiment.train,
        runtime,
        after_epoch=lambda _: None,
        after_batch=lambda _: None,
    )
    some = pictures.part(1, 2)
    assert all(np.isfinite(x).all() for x in occlusion(training.network, some).values())
    places = list(moved(some, experiment.score.grid))
    assert len(places) == experiment.score.grid**2
    assert all(torch.isfinite(x.batch(x.first(1))[0]).all() for _, _, x in places)


@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # `small` is only read
)
def test_what_loads_works_or_is_refused(small, target, data):
    content = deepcopy(small)
    demo = content["experiments"]["demo"]
    for part in ("train", "validation", "test"):
        demo["split"][part] = data.draw(st.integers(4, 16), part)
    for name in data.draw(st.lists(st.sampled_from(list(EXTREME)), max_size=3, unique=True)):
        section, key = name.split(".")
        demo[section][key] = data.draw(EXTREME[name], name)
    if everything := loaded(target, json.dumps(content)):
        # one class only, or a loss that is no longer finite
        with contextlib.suppress(UserError):
            try_out(everything.experiment("demo"), everything.experiment("demo").runtime)
