"""What the template of an experiment's page is filled with."""

__all__ = ["content"]

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from whitepatch.claims import representative
from whitepatch.claims.rules import LEAST_SEEDS, MARGIN, Claim, Pair, Verdict
from whitepatch.claims.statistics import ALPHA, POWER, Difference, Interval, difference
from whitepatch.maps.scores import SCORES
from whitepatch.report.losses import Losses, by_subject, dearest
from whitepatch.report.numbers import Number, Source, constant, history, parameter, seeds
from whitepatch.report.results import PLANS, Results, description
from whitepatch.report.second_look import second_look
from whitepatch.report.tables import ATTENTION, MIXERS, looking_maps, mixing_maps
from whitepatch.report.verdicts import ERROR, ORIGINS, Histories, Verdicts, origins
from whitepatch.tracking import naming

PLANNED = constant("rules", "PAIRS"), Source("params.yaml", "variants")
"""What the number of comparisons comes from."""


def content(
    results: Results,
    histories: Histories,
    verdicts: Verdicts,
    losses: Losses,
    brightest: Number,
    figures: Sequence[str],
    inputs: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """Return what the template of a page is filled with.

    Args:
        results: Of the experiment.
        histories: Of the same.
        verdicts: Of the same.
        losses: Of the same, image by image.
        brightest: The highest byte of the test images before they get their patches.
        figures: The names of those that were drawn.
        inputs: The files that the page was made from: path, stage and MD5 sum.
    """
    patch, pixels = results.experiment.patch, results.experiment.pixels
    some = next(iter(results.any_variant["seeds"].values()))
    sources = [parameter(results.name, key) for key in ("patch.value", "pixels.*")]
    value = patch.value * pixels.scale + pixels.offset
    mixing = [v for v in results.metrics if any(results.has(v, name) for name in MIXERS)]
    return {
        "name": results.name,
        "results": results,
        "experiment": results.experiment,
        "plan": PLANS[patch.plan],
        "figures": figures,
        "inputs": inputs,
        "seeds": Number.count(results.num_seeds, parameter(results.name, "train.seeds")),
        "several": results.num_seeds > 1,
        "losses": by_subject(results, losses),
        "dearest": dearest(results, losses),
        "brightest": brightest,
        "white": Number.fixed(value, 0, *sources),
        "one_pixel": int(brightest.text) < value,
        "constants": _constants(results, verdicts),
        "verdicts": _by_verdict(results, verdicts.claims),
        "claims": verdicts.claims,
        "second": second_look(results, histories, verdicts),
        "deciding": [row for claim in verdicts.claims for row in _deciding(results, claim)],
        "pairs": [_pair(results, pair) for pair in verdicts.pairs],
        "reachable": _reachable(verdicts.pairs),
        "separation": verdicts.spread,
        "published": _published(results),
        "span": lambda key, digits, maps=("",): _span(results, key, digits, maps),
        "mixing": [results.titles[variant] for variant in mixing],
        "others": [title for variant, title in results.titles.items() if variant not in mixing],
        "anew": _drawn_anew(results),
        "attention": ATTENTION,
        "looking": looking_maps(results),
        "chosen_queries": mixing_maps(results),
        "scores": SCORES,
        "score_names": list(SCORES.values()),
        "steps": list(some["probes"]["randomised"]),
        "followed": list(some["clean"]["evidence"]),
        "gates": [v for v, it in results.metrics.items() if _first(it)["channel_gate"]],
        "networks": _networks(results, histories),
        "chosen": _chosen(results, histories),
        "registered": naming.experiment(results.name),
        "alias": naming.ALIAS,
    }


def _first(metrics: Any) -> Any:
    return next(iter(metrics["seeds"].values()))


def _constants(results: Results, verdicts: Verdicts) -> dict[str, Number]:
    """Return the numbers of the rules, and what so many seeds and comparisons allow."""
    smallest_p = max((pair.difference.smallest_p for pair in verdicts.pairs), default=1.0)
    all_seeds = parameter(results.name, "train.seeds")
    first_row = results.experiment.split.test.start + results.experiment.score.first
    where = [parameter(results.name, key) for key in ("split.test.start", "score.first")]
    return {
        "claims": Number.count(len(verdicts.claims), constant("rules", "decide")),
        "pairs": Number.count(len(verdicts.pairs), *PLANNED),
        "least_seeds": Number.count(LEAST_SEEDS, constant("rules", "LEAST_SEEDS")),
        "margin": Number.percent(MARGIN, constant("rules", "MARGIN")),
        "power": Number.percent(POWER, constant("statistics", "POWER")),
        "smallest_p": Number.fixed(smallest_p, 4, all_seeds, form="smallest p of the sign flips"),
        "first_seed": Number.count(results.experiment.train.seeds[0], all_seeds),
        "first_row": Number.count(first_row, *where),
        "train_images": Number.count(
            len(results.experiment.split.train), parameter(results.name, "split.train.*")
        ),
    }


def _span(
    results: Results, key: str, digits: int, maps: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the variants with the lowest and the highest mean of a number, and these means.

    Args:
        results: Of the experiment.
        key: Of the number below a seed; braces stand for a map.
        digits: Decimals.
        maps: The names of the maps that are looked at, as far as a variant has them.
    """
    keys = {(v, m): key.format(m) for v in results.metrics for m in maps}
    has = {(v, m): not m or results.has(v, m) for v, m in keys}
    means = {pair: results.seeds(pair[0], keys[pair]).mean() for pair in keys if has[pair]}
    if not means:
        return {}
    origin = seeds("*", *dict.fromkeys(keys[pair] for pair in means))
    ends = {
        "lowest": min(means, key=means.__getitem__),
        "highest": max(means, key=means.__getitem__),
    }
    return {
        which: {
            "title": results.titles[pair[0]],
            "mean": Number.fixed(means[pair], digits, *origin, form=f"mean of the {which}"),
        }
        for which, pair in ends.items()
    }


def _drawn_anew(results: Results) -> dict[str, Number] | None:
    """Return how many maps of attention point no worse when the attention itself is drawn anew."""
    maps = [(v, m) for v in results.metrics for m in ATTENTION if results.has(v, m)]
    if "attention" not in _first(results.any_variant)["probes"]["randomised"] or not maps:
        return None
    keys = {m: (f"maps.{m}.auc", f"probes.randomised.attention.{m}.auc") for _, m in maps}
    origin = seeds("*", *dict.fromkeys(key for both in keys.values() for key in both))
    means = [[results.seeds(v, key).mean() for key in keys[m]] for v, m in maps]
    no_worse = sum(anew >= trained for trained, anew in means)
    return {
        "maps": Number.count(len(maps), Source("params.yaml", "variants")),
        "no_worse": Number.count(no_worse, *origin, form="count of maps"),
    }


def _by_verdict(results: Results, claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Return how many claims got each verdict, and which; nothing if there are none."""
    everything = dict.fromkeys(source for origin in ORIGINS.values() for source in origin)
    sources = (
        *(Source(source.file.format("*"), source.key) for source in everything),
        constant("rules", "LEAST_SEEDS"),
        parameter(results.name, "train.seeds"),
    )
    found = {
        verdict: [str(claim.number) for claim in claims if claim.verdict == verdict]
        for verdict in get_args(Verdict)
    }
    return [
        {
            "verdict": verdict,
            "several": len(which) != 1,
            "number": Number.count(len(which), *sources) if which else "none",
            "claims": Number(", ".join(which), "numbers of the claims", sources) if which else "",
        }
        for verdict, which in found.items()
        if claims
    ]


def _deciding(results: Results, claim: Claim) -> list[dict[str, Any]]:
    """Return the numbers that decide a claim."""
    return [
        {
            "claim": claim,
            "label": _with_titles(results, name),
            "p": Number.p(it.value.p_value, *origins(it))
            if isinstance(it.value, Difference)
            else "",
            **_interval(it.interval, origins(it), origins(it)),
        }
        for name, it in claim.numbers.items()
    ]


def _interval(
    found: Interval, origin: Sequence[Source], detectable: Sequence[Source]
) -> dict[str, Number | str]:
    form = "smallest detectable difference"
    return {
        "mean": Number.ranged(found, 4, *origin),
        "detectable": ""
        if found.num_seeds < 2
        else Number.fixed(found.detectable, 4, *detectable, form=form),
    }


def _pair(results: Results, pair: Pair) -> dict[str, Any]:
    """Return a planned comparison; if one of the two is significantly lower, its accuracy too."""
    names, titles = (pair.first, pair.second), results.titles
    both = seeds(pair.first, ERROR) + seeds(pair.second, ERROR)
    every, it = (*seeds("*", ERROR), *PLANNED), pair.difference
    found: dict[str, Any] = {
        "title": " − ".join(titles[name] for name in names),
        "p": Number.p(it.p_value, *both),
        "adjusted_p": Number.fixed(pair.adjusted_p, 3, *every, form="p, adjusted by Holm"),
        "probability": Number.fixed(it.probability, 2, *both, form="probability"),
        **_interval(it.interval, both, (*both, *PLANNED)),
    }
    if pair.lower:
        higher = pair.second if pair.lower == pair.first else pair.first
        key = "test.accuracy"
        gain = difference(results.seeds(pair.lower, key), results.seeds(higher, key), "accuracy")
        where = seeds(pair.lower, key) + seeds(higher, key)
        found |= {
            "lower": titles[pair.lower],
            "higher": titles[higher],
            "accuracy": Number.fixed(gain.interval.mean, 3, *where, signed=True),
            "accuracy_p": Number.p(gain.p_value, *where),
        }
    return found


def _reachable(pairs: Sequence[Pair]) -> bool:
    """Say whether so many seeds could make any comparison significant."""
    return bool(pairs) and len(pairs) * pairs[0].difference.smallest_p < ALPHA


def _published(results: Results) -> list[dict[str, Any]]:
    """Return the article's numbers beside ours; none where the images are not its own kind."""
    rows = []
    for variant, measures in results.published.items():
        if variant not in results.metrics or results.experiment.source != "stl10":
            continue
        for measure, published in measures.items():
            theirs = Source("data/published.csv", f"{variant}.{measure}")
            ours, values = seeds(variant, measure), results.seeds(variant, measure)
            spread = f" ± {values.std(ddof=1):#.2g}" if len(values) > 1 else ""
            below = f"{(values < published).sum()} of {len(values)}"
            rows.append(
                {
                    "title": results.titles[variant],
                    "measure": measure,
                    "published": Number(f"{published:#.3g}", "3 significant digits", (theirs,)),
                    "measured": Number(
                        f"{values.mean():#.3g}{spread}", "mean, 3 significant digits", ours
                    ),
                    "difference": Number.signed(values.mean() - published, 2, *ours, theirs),
                    "below": Number(below, "seeds below the published number", (*ours, theirs)),
                }
            )
    return rows


def _networks(results: Results, histories: Histories) -> list[dict[str, Any]]:
    """Return what each variant is, and which of its networks stands for it."""
    choose, rows = results.experiment.train.choose, []
    for variant, title in results.titles.items():
        stands = representative.of_variant(histories[variant], choose)
        where = history(variant, f"{choose}_loss")
        rows.append(
            {
                "title": title,
                "description": description(variant),
                "seed": Number.count(stands.seed, where, form="chosen seed"),
                "epoch": Number.count(stands.epoch, where, form="chosen epoch"),
                "loss": Number.fixed(stands.loss, 4, where, form="chosen loss"),
            }
        )
    return rows


def _chosen(results: Results, histories: Histories) -> Mapping[str, Any]:
    """Return the network that stands for the experiment."""
    choose = results.experiment.train.choose
    stands = representative.of_experiment(histories, choose)
    where = history("*", f"{choose}_loss")
    return {
        "title": results.titles[stands.variant],
        "seed": Number.count(stands.seed, where, form="chosen seed"),
    }


def _with_titles(results: Results, name: str) -> str:
    """Return the name of a number with titles instead of variants: `error: a - b`."""
    measure, _, rest = name.rpartition(": ")
    parts = [results.titles.get(part, part) for part in rest.split(" - ")]
    return f"{measure}: {' − '.join(parts)}" if measure else " − ".join(parts)
