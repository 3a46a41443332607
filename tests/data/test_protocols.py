"""The two STL-10 experiments of params.yaml, against the article's text and against its leaks."""

from dataclasses import replace

import numpy as np
import pytest

from whitepatch.data.plan import plan


def fates(experiment):
    """Return the plan of each split, of its one patch the places as [N]."""
    found = {}
    for name, rows in experiment.split.parts().items():
        names = [(rows.file, row) for row in range(rows.start, rows.stop)]
        fate = plan(names, experiment.patch, experiment.train.batch_size)
        found[name] = replace(fate, tops=fate.tops[:, 0], lefts=fate.lefts[:, 0])
    return found


def covered(fate, size):
    """Return how often each pixel lies in a patch, [96, 96]."""
    count = np.zeros((96, 96), int)
    for top, left in zip(fate.tops, fate.lefts, strict=True):
        if top >= 0:
            count[top : top + size, left : left + size] += 1
    return count


def test_the_article_is_to_the_letter(everything):
    article = everything.experiment("article")
    assert {name: list(rows)[1:] for name, rows in article.split.model_dump().items() if rows} == {
        "train": ["start", "stop"],
        "test": ["start", "stop"],
    }
    train, test = article.split.train, article.split.test
    assert (train.file, train.start, train.stop) == ("train", 0, 4000)
    assert (test.file, test.start, test.stop) == ("train", 4000, 5000)
    assert article.split.validation is None
    assert article.source == "stl10"
    assert (article.patch.size, article.patch.value) == (16, 1.0)
    assert (article.pixels.offset, article.pixels.scale) == (128, 128)
    protocol = article.train
    assert (protocol.epochs, protocol.batch_size, protocol.learning_rate) == (50, 100, 1e-4)
    assert (protocol.shuffle, protocol.schedule) == (False, "constant")
    assert (protocol.loss, protocol.choose) == ("printed", "test")
    # the six pictures that it drew: the first of the last test batch
    first = test.start + article.score.first
    assert (first, article.score.panel) == (4900, 6)
    assert fates(article)["test"].labels[article.score.first :][:6].tolist() == [1, 1, 1, 0, 1, 0]


def test_the_articles_plan_again_from_its_text(everything):
    for fate in fates(everything.experiment("article")).values():
        for image in range(len(fate.labels)):
            np.random.seed(image % 100 + 10)  # noqa: NPY002 -- as printed
            expected = [np.random.randint(2)]  # noqa: NPY002
            if expected[0]:
                expected += [np.random.randint(80), np.random.randint(80)]  # noqa: NPY002
            else:
                expected += [-1, -1]
            assert [fate.labels[image], fate.tops[image], fate.lefts[image]] == expected


def test_the_articles_leaks_are_there_as_described(everything):
    parts = fates(everything.experiment("article"))
    places = {name: {*zip(fate.tops, fate.lefts, strict=True)} for name, fate in parts.items()}
    assert places["test"] <= places["train"], "every test position was seen in training"
    bare = (covered(parts["train"], 16) == 0).mean()
    assert 0.3 < bare < 0.37, "a third of the pixels is never covered"


def test_corrected_has_none_of_them(everything):
    experiment = everything.experiment("corrected")
    parts = fates(experiment)
    train, test = parts["train"], parts["test"]
    assert experiment.split.test.file == "test"
    assert len(test.labels) == 8000
    # every position within reach, the last row and column too, the patch no brighter than a pixel
    patched = test.labels == 1
    assert set(test.tops[patched]) == set(test.lefts[patched]) == set(range(81))
    pixels = covered(train, experiment.patch.size)
    assert pixels[-1].any()
    assert pixels[:, -1].any()
    assert (pixels == 0).mean() < 0.005, "only what a single position can cover may be missed"
    brightest = (255 - experiment.pixels.offset) / experiment.pixels.scale
    assert experiment.patch.value <= brightest
    # what the place in a batch, or the same row of the other file, tells about a label: nothing
    for other in (train.labels[np.arange(8000) % 100], np.resize(train.labels, 8000)):
        assert abs(np.corrcoef(test.labels, other)[0, 1]) < 0.035  # three standard errors
    # a position that both have is no more frequent than two independent draws make it
    seen = {*zip(train.tops[train.labels == 1], train.lefts[train.labels == 1], strict=True)}
    again = np.mean(
        [place in seen for place in zip(test.tops[patched], test.lefts[patched], strict=True)]
    )
    assert again == pytest.approx(len(seen) / 81**2, abs=0.03)


def test_the_variants_of_an_experiment_share_everything_but_the_network(everything):
    for name in ("article", "corrected"):
        assert len(everything.experiment(name).train.seeds) == 10
