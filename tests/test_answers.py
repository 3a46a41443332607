"""The answers on the page of all results, computed again from the logits by other code."""

import re

import numpy as np
import pandas as pd
import pytest

CORRECTED = 24
"""Predictions that Holm's correction counts."""

RESAMPLES = 3000


class Sweep:
    """The images of a sweep, one by one."""

    def __init__(self, root, name):
        path = root / f"reports/sweeps/{name}"
        if not path.with_suffix(".npz").exists():
            pytest.skip(f"{name} has not run")
        self.table = pd.read_csv(path.with_suffix(".csv"))
        self.arrays = np.load(path.with_suffix(".npz"))

    def images(self, variant, **levels):
        """Return a row an image: whether it was judged rightly, its seed and its scene."""
        found = []
        for place, row in self.table.iterrows():
            if row["variant"] == variant and all(row[it] == levels[it] for it in levels):
                logits, labels = self.arrays["logits"][place], self.arrays["labels"][place]
                found.append(
                    pd.DataFrame(
                        {
                            "right": [
                                (x > 0) == (y == 1) for x, y in zip(logits, labels, strict=True)
                            ],
                            "seed": row["seed"],
                            "scene": self.arrays["shows"][place],
                        }
                    )
                )
        return pd.concat(found, ignore_index=True)


def bootstrap(right, seeds, scenes):
    """Return means in which seeds and scenes are drawn anew, one draw after the other."""
    generator = np.random.default_rng(11)
    right, seeds, scenes = (np.asarray(it) for it in (right, seeds, scenes))
    known = [np.unique(it) for it in (seeds, scenes)]
    found = []
    for _ in range(RESAMPLES):
        weight = np.ones(len(right))
        for units, all_of_them in zip((seeds, scenes), known, strict=True):
            drawn = generator.choice(all_of_them, len(all_of_them))
            weight *= np.array([(drawn == it).sum() for it in all_of_them])[
                np.searchsorted(all_of_them, units)
            ]
        if weight.sum():
            found.append((right * weight).sum() / weight.sum())
    return np.array(found)


def p_value(means, level):
    return 2 * (min((means <= level).sum(), (means >= level).sum()) + 1) / (len(means) + 1)


def number(sweep, variant, minus=None, **levels):
    one = sweep.images(variant, **levels)
    right = one["right"].astype(float)
    if minus:
        right -= sweep.images(minus, **levels)["right"]
    return right.mean(), bootstrap(right, one["seed"], one["scene"])


@pytest.fixture(scope="module")
def page(root):
    return (root / "reports/index.md").read_text(encoding="utf-8")


def rows(page, begin):
    """Return the cells of the rows of a table, by what stands in the first."""
    block = page[page.index(begin) :].split("\n\n")[0]
    cells = [[it.strip() for it in line.strip("| ").split("|")] for line in block.splitlines()]
    return {row[0]: row[1:] for row in cells}


SIX = {
    "cnn": "CNN",
    "cnn_max": "CNN, maximum",
    "mha_uniform": "MHA, uniform weights",
    "mha_linear_tokens": "MHA linear, pixel tokens",
    "mha_conv1d": "MHA Conv1d",
    "cbam": "CBAM, channel gate",
}


def test_accuracies_by_size_are_those_of_the_logits(root, page):
    sweep = Sweep(root, "size")
    table = rows(page, re.search(r"\| variant \| \d+ \|", page)[0])
    sizes = [int(it) for it in table["variant"]]
    for variant, title in SIX.items():
        for size, cell in zip(sizes, table[title], strict=True):
            value, means = number(sweep, variant, **{"patch.size": size})
            shown, low, high = map(float, re.findall(r"[0-9.]+", cell))
            assert shown == pytest.approx(value, abs=0.005 + 1e-9)
            assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.03)


def test_verdicts_on_small_patches_follow_from_the_logits(root, page):
    sweep = Sweep(root, "size")
    said = rows(page, "| prediction |")
    small = {"patch.size": 4}

    def expected(*statements):
        """Each is a number's mean and resamples, the side and the level that were predicted."""
        p_values = [p_value(means, level) for _, means, _, level in statements]
        true = [(value > level) == (side == "above") for value, _, side, level in statements]
        if all(true):
            return "holds", max(p_values)
        wrong = [p for p, it in zip(p_values, true, strict=True) if not it]
        return "fails", min(wrong) * len(statements)

    def check(text, *statements):
        outcome, p = expected(*statements)
        row = said[text]
        # near the level the two codes may differ by the luck of their draws
        if p * CORRECTED < 0.03:
            assert row[0] == outcome, text
        elif p > 0.07:
            assert row[0] == "open", text

    for name in ("cnn", "mha_uniform"):
        one = number(sweep, name, **small)
        text = f"{SIX[name]} stays at chance on patches of 4×4 pixels."
        check(text, (*one, "above", 0.45), (*one, "below", 0.55))
    for name in ("cnn_max", "mha_linear_tokens", "mha_conv1d", "cbam"):
        both = [number(sweep, name, other, **small) for other in ("cnn", "mha_uniform")]
        text = f"{SIX[name]} notices them more often than CNN and MHA, uniform weights."
        check(text, *((*it, "above", 0) for it in both))
    for name in ("mha_linear_tokens", "mha_conv1d", "cbam"):
        one = number(sweep, name, "cnn_max", **small)
        text = f"{SIX[name]} is not better at this than CNN, maximum by 0.05 of accuracy."
        check(text, (*one, "below", 0.05))


def test_the_rates_of_the_second_editions_page_are_those_of_its_sweep(root):
    text = (root / "docs/second-edition.md").read_text(encoding="utf-8")
    table = pd.read_csv(root / "reports/sweeps/rates.csv")
    found = rows(text, "| variant | 0.0008 |")
    rates = [float(it) for it in found.pop("variant")]
    found.pop("---")
    assert set(found) == set(table["variant"])
    for variant, cells in found.items():
        for rate, cell in zip(rates, cells, strict=True):
            row = table[(table["variant"] == variant) & (table["train.learning_rate"] == rate)]
            assert cell == f"{row['validation_loss'].item():.3f}"
