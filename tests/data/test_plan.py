import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whitepatch.data.plan import per_batch, per_image, plan
from whitepatch.params import Patch, Rows
from whitepatch.seeding import numpy_generator

PATCH = Patch(plan="per_image", seed=10, probability=0.5, size=16, positions=81, value=1.0)


def test_the_articles_plan_starts_with_its_printed_labels():
    fate = per_batch(num_images=300, batch_size=100, seed=10, positions=80)
    assert fate.labels[:10].tolist() == [1, 1, 1, 0, 1, 0, 1, 1, 0, 1]
    assert fate.labels[:100].sum() == 55
    assert len({*zip(fate.tops[:100], fate.lefts[:100], strict=True)} - {(-1, -1)}) == 53


def test_the_articles_plan_draws_row_then_column_one_by_one():
    fate = per_batch(num_images=7, batch_size=7, seed=10, positions=80)
    for place in range(7):
        generator = np.random.RandomState(place + 10)
        assert fate.labels[place] == generator.randint(2)
        if fate.labels[place]:
            assert fate.tops[place] == generator.randint(80)
            assert fate.lefts[place] == generator.randint(80)


def test_the_articles_plan_repeats_in_every_batch_and_in_a_shorter_last_one():
    fate = per_batch(num_images=25, batch_size=11, seed=10, positions=80)
    for values in (fate.labels, fate.tops, fate.lefts):
        assert (values[11:22] == values[:11]).all()
        assert (values[22:] == values[:3]).all()


def test_an_image_keeps_its_fate_whatever_surrounds_it():
    many = per_image(Rows(file="train", start=0, stop=97), PATCH)
    few = per_image(Rows(file="train", start=31, stop=37), PATCH)
    assert (few.labels == many.labels[31:37]).all()
    assert (few.tops == many.tops[31:37]).all()


def test_an_images_generator_is_named_by_seed_file_and_row():
    fate = per_image(Rows(file="train", start=5, stop=25), PATCH)
    for place in range(20):
        generator = numpy_generator("plan", 10, "train", place + 5)
        assert fate.labels[place] == (generator.random() < 0.5)
        if fate.labels[place]:
            top, left = generator.integers(81, size=2)
            assert (fate.tops[place], fate.lefts[place]) == (top, left)


def test_another_seed_is_another_plan():
    rows = Rows(file="train", start=0, stop=97)
    one, other = (per_image(rows, PATCH.model_copy(update={"seed": seed})) for seed in (10, 11))
    assert (one.labels != other.labels).sum() > 20
    both = (one.labels & other.labels).astype(bool)
    assert (one.tops[both] != other.tops[both]).any()


def test_train_and_test_files_are_drawn_independently():
    train = per_image(Rows(file="train", start=0, stop=2003), PATCH)
    test = per_image(Rows(file="test", start=0, stop=2003), PATCH)
    assert abs(np.corrcoef(train.labels, test.labels)[0, 1]) < 0.07
    both = (train.labels & test.labels).astype(bool)
    assert (train.tops[both] == test.tops[both]).mean() < 0.05


def test_every_position_and_both_labels_are_reached():
    fate = per_image(Rows(file="train", start=0, stop=4999), PATCH)
    patched = fate.labels == 1
    assert set(fate.tops[patched]) == set(fate.lefts[patched]) == set(range(81))
    assert set(fate.tops[~patched]) == set(fate.lefts[~patched]) == {-1}
    assert fate.labels.mean() == pytest.approx(0.5, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(
    probability=st.floats(0.01, 0.99),
    size=st.integers(1, 31),
    start=st.integers(0, 500),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_patch_always_lies_inside(probability, size, start, seed):
    patch = PATCH.model_copy(
        update={"probability": probability, "size": size, "positions": 97 - size, "seed": seed}
    )
    fate = per_image(Rows(file="test", start=start, stop=start + 13), patch)
    patched = fate.labels == 1
    assert (fate.tops[patched] >= 0).all()
    assert (fate.tops[patched] + size <= 96).all()
    assert (fate.lefts[patched] + size <= 96).all()


def test_the_parameters_choose_the_rule_and_no_global_generator_is_touched():
    rows = Rows(file="train", start=0, stop=23)
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002 -- the global one
    article = plan(rows, PATCH.model_copy(update={"plan": "per_batch", "positions": 80}), 5)
    ours = plan(rows, PATCH, 5)
    assert (article.labels[:5] == article.labels[5:10]).all()
    assert (ours.labels == per_image(rows, PATCH).labels).all()
    assert (np.random.get_state()[1] == before[0]).all()  # noqa: NPY002
    assert random.getstate() == before[1]
