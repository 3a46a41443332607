import random
from collections import Counter

import numpy as np
import pytest
import torch
from helpers.pictures import patch_of
from hypothesis import given, settings
from hypothesis import strategies as st

from whitepatch.data import plan as module
from whitepatch.data.plan import per_batch, plan
from whitepatch.models.classifier import build
from whitepatch.seeding import numpy_generator

PATCH = patch_of()


def named(stop, start=0, file="train"):
    return [(file, row) for row in range(start, stop)]


def fates(names, patch=PATCH, **more):
    """Return a plan; of one patch an image, its places as [N]."""
    return plan(names, patch, 5, **more)


def test_the_articles_plan_starts_with_its_printed_labels():
    fate = per_batch(num_images=300, batch_size=100, seed=10, positions=80)
    assert fate.labels[:10].tolist() == [1, 1, 1, 0, 1, 0, 1, 1, 0, 1]
    assert fate.labels[:100].sum() == 55
    places = zip(fate.tops[:100, 0], fate.lefts[:100, 0], strict=True)
    assert len({*places} - {(-1, -1)}) == 53


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
    many = fates(named(97))
    few = fates(named(37, 31))
    assert (few.labels == many.labels[31:37]).all()
    assert (few.tops == many.tops[31:37]).all()


def test_an_images_generator_is_named_by_seed_file_and_row():
    fate = fates(named(25, 5))
    for place in range(20):
        generator = numpy_generator("plan", 10, "train", place + 5)
        assert fate.labels[place] == (generator.random() < 0.5)
        if fate.labels[place]:
            top, left = generator.integers(81, size=2)
            assert (fate.tops[place], fate.lefts[place]) == (top, left)


def test_another_seed_is_another_plan():
    one, other = (fates(named(97), patch_of(seed=seed)) for seed in (10, 11))
    assert (one.labels != other.labels).sum() > 20
    both = (one.labels & other.labels).astype(bool)
    assert (one.tops[both] != other.tops[both]).any()


def test_train_and_test_files_are_drawn_independently():
    train = fates(named(2003))
    test = fates(named(2003, file="test"))
    assert abs(np.corrcoef(train.labels, test.labels)[0, 1]) < 0.07
    both = (train.labels & test.labels).astype(bool)
    assert (train.tops[both] == test.tops[both]).mean() < 0.05


def test_every_position_and_both_labels_are_reached():
    fate = fates(named(4999))
    patched = fate.labels == 1
    assert set(fate.tops[patched, 0]) == set(fate.lefts[patched, 0]) == set(range(81))
    assert set(fate.tops[~patched, 0]) == set(fate.lefts[~patched, 0]) == {-1}
    assert fate.labels.mean() == pytest.approx(0.5, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(
    probability=st.floats(0.01, 0.99),
    size=st.integers(1, 31),
    start=st.integers(0, 500),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_patch_always_lies_inside(probability, size, start, seed):
    patch = patch_of(probability=probability, size=size, positions=97 - size, seed=seed)
    fate = fates(named(start + 13, start, "test"), patch)
    patched = fate.labels == 1
    assert (fate.tops[patched] >= 0).all()
    assert (fate.tops[patched] + size <= 96).all()
    assert (fate.lefts[patched] + size <= 96).all()


def test_the_parameters_choose_the_rule_and_no_global_generator_is_touched():
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002 -- the global one
    article = plan(named(23), patch_of(plan="per_batch", positions=80), 5)
    ours = plan(named(23), PATCH, 5)
    assert (article.labels[:5] == article.labels[5:10]).all()
    assert (ours.labels == plan(named(23), PATCH, 7).labels).all()
    assert (np.random.get_state()[1] == before[0]).all()  # noqa: NPY002
    assert random.getstate() == before[1]


def test_a_mixture_draws_every_size_and_contrast_and_each_stays_inside():
    patch = patch_of(mixture={"sizes": [4, 32], "contrasts": [1.0, 0.25]})
    fate = fates(named(2003), patch)
    drawn = Counter(zip(fate.sizes.tolist(), fate.contrasts.tolist(), strict=True))
    assert set(drawn) == {(4, 1.0), (4, 0.25), (32, 1.0), (32, 0.25)}
    assert min(drawn.values()) > 400
    patched = fate.labels == 1
    for places in (fate.tops[patched, 0], fate.lefts[patched, 0]):
        last = places + fate.sizes[patched]
        assert last.max() == 96
        assert places[fate.sizes[patched] == 4].max() > 64, "small ones go further"


def test_a_distractor_is_in_every_image_alike_and_keeps_apart():
    fate = fates(named(3001), patch_of(distractor=0.0))
    patched = fate.labels == 1
    assert (fate.tops[:, 1] >= 0).all()
    assert (fate.tops[~patched, 0] == -1).all()
    apart = np.maximum(*(abs(x[patched, 0] - x[patched, 1]) for x in (fate.tops, fate.lefts)))
    assert apart.min() == 16
    middle = [
        np.abs(x[some, 1] - 40).mean()
        for x in (fate.tops, fate.lefts)
        for some in (patched, ~patched)
    ]
    assert np.ptp(middle) < 2, "where it lies tells nothing of the label"


def test_two_patches_are_of_one_hue_or_of_opposite_ones():
    fate = fates(named(501), patch_of(task="compare", size=12, positions=85))
    same = (fate.colours[:, 0] == fate.colours[:, 1]).all(axis=1)
    assert (same == (fate.labels == 1)).all()
    opposite = fate.colours[~same].astype(int).sum(axis=1)
    assert (abs(opposite - 255) <= 1).all(), "a hue and its opposite add up to white"
    apart = np.maximum(*(abs(x[:, 0] - x[:, 1]) for x in (fate.tops, fate.lefts)))
    assert apart.min() == module.APART
    assert fate.tops.max() == fate.lefts.max() == 84


def test_four_images_in_turn_are_the_four_pairs_of_two_hues():
    names = [("train", 7)] * 4 + [("train", 9)] * 4
    fate = fates(names, patch_of(task="compare", size=12, positions=85), in_fours=True)
    assert fate.labels.tolist() == [1, 1, 0, 0] * 2
    for four in (slice(0, 4), slice(4, 8)):
        assert (
            len(np.unique(fate.tops[four], axis=0)) == len(np.unique(fate.lefts[four], axis=0)) == 1
        )
        (h, h1), (g, g1), (a, b), (c, d) = (map(tuple, two) for two in fate.colours[four].tolist())
        assert h == h1 == a == d
        assert g == g1 == b == c
        assert h != g


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_sum_over_places_judges_more_than_three_of_the_four(seed):
    """Brute force: whatever a place says of a hue, and whatever the threshold."""
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=(2, 2))  # what either place says of hue h, h'
    logits = [first[i] + second[j] for i, j in ((0, 0), (1, 1), (0, 1), (1, 0))]
    labels = np.array([1, 1, 0, 0])
    cuts = [-np.inf, *np.sort(logits), np.inf]
    assert max(((np.array(logits) > cut) == labels).sum() for cut in cuts) <= 3


def test_the_two_rows_tell_nothing_but_whether_they_are_one():
    fate = fates(named(6007), patch_of(task="arrange", size=12, positions=85))
    one = fate.labels == 1
    assert (one == (fate.tops[:, 0] == fate.tops[:, 1])).all()
    assert abs(fate.lefts[:, 0] - fate.lefts[:, 1]).min() == module.APART
    for patch in (0, 1):
        for some in (one, ~one):
            rows = Counter(fate.tops[some, patch].tolist())
            assert set(rows) == set(module.ROWS)
            assert max(rows.values()) / min(rows.values()) < 1.35
        columns = [Counter(fate.lefts[some, patch].tolist()) for some in (one, ~one)]
        assert set(columns[0]) == set(columns[1])
        assert {left % 4 for left in columns[0]} == {0}


@pytest.mark.parametrize("variant", ["cnn", "cbam", "mha_linear_tokens"])
def test_on_an_even_ground_the_trunks_cells_are_the_same_ones_in_either_class(variant):
    """Bit for bit, with random weights: so no function that forgets places can tell them apart."""
    backbone = build(variant, 3).backbone.double().eval()
    found = []
    for tops in ((36, 36), (36, 48), (32, 52), (36, 38), (36, 20)):
        picture = torch.zeros(1, 3, 96, 96, dtype=torch.float64)
        for top, left in zip(tops, (8, 72), strict=True):
            picture[..., top : top + 12, left : left + 12] = 1
        cells = backbone(picture)[0].flatten(1).T.detach().numpy()
        found.append(cells[np.lexsort(cells.T)])
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    assert (found[0] != found[3]).any(), "another phase"
    assert (found[0] != found[4]).any(), "too near to the edge"
