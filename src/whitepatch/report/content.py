"""What the template of an experiment's page is filled with."""

__all__ = ["content"]

from collections.abc import Sequence
from typing import Any

from whitepatch.claims import representative
from whitepatch.claims.statistics import LEAST_SEEDS
from whitepatch.maps.scores import SCORES
from whitepatch.report.attributions import attributed
from whitepatch.report.decided import decided
from whitepatch.report.losses import by_subject, hardest
from whitepatch.report.numbers import Number, Source, history, logits, parameter, seeds
from whitepatch.report.results import PLANS, Results, description
from whitepatch.report.tables import looking_maps, mixing_maps, own_maps
from whitepatch.report.verdicts import Histories, Verdicts
from whitepatch.tracking import naming


def content(
    results: Results,
    histories: Histories,
    verdicts: Verdicts,
    brightest: Number,
    figures: Sequence[str],
    inputs: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """Return what the template of a page is filled with.

    Args:
        results: Of the experiment.
        histories: Of the same.
        verdicts: Of the same.
        brightest: The highest byte of the test images before they get their patches.
        figures: The names of those that were drawn.
        inputs: The files that the page was made from: path, stage and MD5 sum.
    """
    patch, pixels = results.experiment.patch, results.experiment.pixels
    white = patch.value * pixels.scale + pixels.offset
    given = [parameter(results.name, key) for key in ("patch.value", "pixels.*")]
    mixing = [v for v, metrics in results.metrics.items() if metrics["mixes_places"]]
    return {
        "name": results.name,
        "results": results,
        "experiment": results.experiment,
        "plan": PLANS[patch.plan],
        "figures": figures,
        "inputs": inputs,
        "seeds": Number.count(results.num_seeds, parameter(results.name, "train.seeds")),
        "several": results.num_seeds > 1,
        "intervals": results.num_seeds >= LEAST_SEEDS,
        "subjects": by_subject(results, verdicts.losses),
        "hardest": hardest(results, verdicts.losses),
        "brightest": brightest,
        "white": Number.fixed(white, 0, *given),
        "one_pixel": int(brightest.text) < white,
        "constants": _constants(results),
        "primary": lambda v: _primary(results, verdicts, v),
        "decided": decided(results, verdicts),
        "separation": verdicts.spread,
        "published": [
            _published(results, variant, measure)
            for variant, measures in results.published.items()
            for measure in measures
            if variant in results.metrics and results.experiment.source == "stl10"
        ],
        "span": lambda key, digits, maps=("",): _span(results, key, digits, maps),
        "attention": _over_cells(results),
        "mixing": [results.titles[variant] for variant in mixing],
        "others": [title for variant, title in results.titles.items() if variant not in mixing],
        "anew": _drawn_anew(results),
        "looking": looking_maps(results),
        "attributed": attributed(results),
        "chosen_queries": mixing_maps(results),
        "scores": SCORES,
        "score_names": list(SCORES.values()),
        "steps": list(results.first_seed["probes"]["randomised"]),
        "followed": _followed(results),
        "networks": [_network(results, histories, variant) for variant in results.metrics],
        "chosen": _chosen(results, histories),
    }


def _constants(results: Results) -> dict[str, Number]:
    all_seeds = parameter(results.name, "train.seeds")
    return {
        "first_seed": Number.count(results.experiment.train.seeds[0], all_seeds),
        "first_image": Number.count(
            results.experiment.score.first + 1, parameter(results.name, "score.first")
        ),
        "train_images": Number.count(
            results.experiment.split.numbers()["train"], parameter(results.name, "split.train")
        ),
    }


def _primary(results: Results, verdicts: Verdicts, variant: str) -> list[Number]:
    """Return loss and accuracy of a variant with their intervals."""
    where = logits(variant, results.name)
    return [
        Number.crossed(of[variant], digits, *where)
        for of, digits in zip(verdicts.primary.values(), (4, 3), strict=True)
    ]


def _span(
    results: Results, key: str, digits: int, maps: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the variants with the `lowest` and the `highest` mean of a number, and these means.

    Args:
        results: Of the experiment.
        key: Of the number below a seed; braces stand for a map.
        digits: Decimals.
        maps: The names of the maps that are looked at, as far as a variant has them.
    """
    means = {
        (results.titles[v], key.format(m)): results.seeds(v, key.format(m)).mean()
        for v in results.metrics
        for m in maps
        if not m or results.has(v, m)
    }
    origin = seeds("*", *dict.fromkeys(key for _, key in means))
    ordered = sorted(means, key=means.__getitem__)
    return {
        which: {
            "title": found[0],
            "mean": Number.fixed(means[found], digits, *origin, form=f"mean of the {which}"),
        }
        for which, found in zip(("lowest", "highest"), (*ordered[:1], *ordered[-1:]), strict=False)
    }


def _followed(results: Results) -> list[str]:
    """Return the controls that maps were set against on clean pictures."""
    seeds = [next(iter(metrics["seeds"].values())) for metrics in results.metrics.values()]
    return list(
        dict.fromkeys(name for it in seeds for maps in it["clean"].values() for name in maps)
    )


def _over_cells(results: Results) -> list[str]:
    """Return the names of maps of attention; without strips, too wide to be set beside others."""
    names = dict.fromkeys(name for v in results.metrics for name in own_maps(results, v))
    return [name for name in names if name != "strips"]


def _drawn_anew(results: Results) -> dict[str, Number] | None:
    """Return how many maps of attention score no lower when the attention itself is drawn anew."""
    maps = [(v, m) for m in _over_cells(results) for v in results.metrics if results.has(v, m)]
    if "attention" not in results.first_seed["probes"]["randomised"] or not maps:
        return None
    keys = ("maps.{}.auc", "probes.randomised.attention.{}.auc")
    means = [[results.seeds(v, key.format(m)).mean() for key in keys] for v, m in maps]
    origin = seeds("*", *dict.fromkeys(key.format(m) for _, m in maps for key in keys))
    no_worse = sum(anew >= trained for trained, anew in means)
    return {
        "maps": Number.count(len(maps), parameter(results.name, "variants")),
        "no_worse": Number.count(no_worse, *origin, form="count of maps"),
    }


def _published(results: Results, variant: str, measure: str) -> list[Number | str]:
    """Return a row: the article's number beside ours."""
    published = results.published[variant][measure]
    theirs = Source("data/published.csv", f"{variant}.{measure}")
    ours, values = seeds(variant, measure), results.seeds(variant, measure)
    spread = f" ± {values.std(ddof=1):#.2g}" if len(values) > 1 else ""
    below = f"{(values < published).sum()} of {len(values)}"
    return [
        results.titles[variant],
        {"min_train_loss": "smallest train loss", "min_test_loss": "smallest test loss"}[measure],
        Number(f"{published:#.3g}", "3 significant digits", (theirs,)),
        Number(f"{values.mean():#.3g}{spread}", "mean, 3 significant digits", ours),
        Number.signed(values.mean() - published, 2, *ours, theirs),
        Number(below, "seeds below the published number", (*ours, theirs)),
    ]


def _network(results: Results, histories: Histories, variant: str) -> list[Number | str]:
    """Return a row: what a variant is, and which of its networks stands for it."""
    choose = results.experiment.train.choose
    stands = representative.of_variant(histories[variant], choose)
    where = history(variant, f"{choose}_loss")
    return [
        results.titles[variant],
        description(variant),
        Number.count(stands.seed, where, form="chosen seed"),
        Number.count(stands.epoch, where, form="chosen epoch"),
        Number.fixed(stands.loss, 4, where, form="chosen loss"),
    ]


def _chosen(results: Results, histories: Histories) -> dict[str, Any]:
    """Return the network that stands for the experiment, and what MLflow calls it."""
    choose = results.experiment.train.choose
    stands = representative.of_experiment(histories, choose)
    return {
        "title": results.titles[stands.variant],
        "seed": Number.count(stands.seed, history("*", f"{choose}_loss"), form="chosen seed"),
        "registered": naming.experiment(results.name),
        "alias": naming.ALIAS,
    }
