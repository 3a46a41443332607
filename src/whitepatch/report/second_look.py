"""A second look at the claims: what their verdicts do not say, from the same seeds.

The rules stay the first edition; none of this changes a verdict. It was looked at afterwards, and
its p-values are not adjusted for their number.
"""

__all__ = ["second_look"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from statsmodels.stats.power import TTestPower

from whitepatch.claims.measured import Estimate
from whitepatch.claims.rules import PRINTED
from whitepatch.claims.statistics import ALPHA, LEAST_SEEDS, POWER, difference
from whitepatch.report.numbers import Number, Source, history, seeds
from whitepatch.report.results import Floats, Results
from whitepatch.report.verdicts import ERROR, Histories, Verdicts

HERE = Source("src/whitepatch/report/second_look.py", "MEASURES")

MOST = 10_000
"""Seeds; where more are needed, the page does not say how many."""

MEASURES = {
    "chosen loss": ("test.loss", 1),
    "last loss": ("", 1),
    "accuracy": ("test.accuracy", -1),
    "ROC-AUC": ("test.auc", -1),
}
"""What claim 6 does not ask: key below a seed, and whether less (1) or more (-1) is better."""


def second_look(results: Results, histories: Histories, verdicts: Verdicts) -> dict[str, Any]:
    """Return what the page says beside the verdicts; nothing where there are none.

    Returns:
        `needed` and `share`: how many seeds would show a difference as large as the article's
        between linear attention and the plain CNN, which is that share of the CNN's error.
        `apart`: the two parts of claim 4, and how each ends. `over_cnn`: accuracy of Conv1d
        attention minus the CNN's. `against`: by which other measures a network of the article is
        better than CBAM; `num_against`: how many, of `measures`. `falls`: mean test losses of CNN
        and CBAM where the unrest of claim 8 begins, and at the end. `halved`: whether that unrest
        is half the difference of two losses.
    """
    if not verdicts.claims:
        return {}
    better, calmer = verdicts.claims[3].numbers.values()
    against = [
        found
        for measure, (key, sign) in MEASURES.items()
        if (found := _better_than_cbam(results, histories, measure, key, sign))
    ]
    asked = (*seeds("*", *(key for key, _ in MEASURES.values() if key)), history("*", "test_loss"))
    epochs = histories["cnn"]["epoch"].nunique()
    return {
        **_needed(results),
        "apart": {"error": _ends(better), "unrest": _ends(calmer)},
        "over_cnn": results.gain("mha_conv1d", "cnn", "test.accuracy", 3),
        "against": against,
        "num_against": Number.count(len(against), *asked, form="count of measures"),
        "measures": Number.count(len(MEASURES), HERE),
        "falls": [_fall(results, histories, name, epochs // 2) for name in ("cnn", "cbam")],
        "halved": epochs - epochs // 2 == 2,
    }


def _needed(results: Results) -> dict[str, Number]:
    ours = [results.seeds(name, ERROR) for name in ("cnn", "mha_linear")]
    if not {"cnn", "mha_linear"} <= results.published.keys() or np.ptp(ours[0] - ours[1]) == 0:
        return {}
    if len(ours[0]) < LEAST_SEEDS:  # by which nothing can be planned, either
        return {}
    share = 1 - results.published["mha_linear"][ERROR] / results.published["cnn"][ERROR]
    effect = share * ours[0].mean() / (ours[0] - ours[1]).std(ddof=1)
    test = TTestPower()  # its solve_power finds nothing where few seeds would do
    needed = next((n for n in range(2, MOST) if test.power(effect, n, ALPHA) >= POWER), None)
    if needed is None:
        return {}
    published = [Source("data/published.csv", f"{name}.{ERROR}") for name in ("cnn", "mha_linear")]
    where = (*seeds("cnn", ERROR), *seeds("mha_linear", ERROR), *published)
    rounded = int(float(f"{needed:.2g}"))
    return {
        "needed": Number.count(rounded, *where, form="seeds by the power of a t test"),
        "share": Number.percent(share, *published),
    }


def _ends(estimate: Estimate) -> str:
    found = estimate.interval
    return "holds" if found.above(0) else "is contradicted" if found.below(0) else "is open"


def _better_than_cbam(
    results: Results, histories: Histories, measure: str, key: str, sign: int
) -> dict[str, Any] | None:
    """Return the printed network that is most clearly better than CBAM by a measure, if one is."""

    def values(name: str) -> tuple[Floats, Sequence[Source]]:
        if key:
            return results.seeds(name, key), seeds(name, key)
        last = histories[name].sort_values("epoch").groupby("seed")["test_loss"].last()
        return last.to_numpy(), [history(name, "test_loss")]

    cbam, where = values("cbam")
    found = []
    for name in PRINTED:
        if name == "cbam":
            continue
        rival, origin = values(name)
        it = difference(cbam, rival, f"{measure}: cbam - {name}")
        if sign * it.interval.mean > 0 and it.p_value < ALPHA:
            found.append((it.p_value, name, origin))
    if not found:
        return None
    p, name, origin = min(found, key=lambda one: one[0])
    return {
        "measure": measure,
        "title": results.titles[name],
        "p": Number.p(p, *where, *origin),
    }


def _fall(results: Results, histories: Histories, name: str, first: int) -> dict[str, Any]:
    means = histories[name].groupby("epoch")["test_loss"].mean().to_numpy()
    where = history(name, "test_loss")
    return {
        "title": results.titles[name],
        "before": Number.fixed(means[first], 2, where, form="mean of the seeds"),
        "after": Number.fixed(means[-1], 2, where, form="mean of the seeds, last epoch"),
    }
