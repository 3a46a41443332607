"""What a page says of the article's claims: what came of them, by how much, and by which rules."""

__all__ = ["decided"]

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from whitepatch.claims.article import CLAIMS, CONTROLS, HYPOTHESES, MEASURES, PARTS, Quantity
from whitepatch.claims.crossed import Crossed
from whitepatch.claims.hypotheses import Judged, Outcome, Statement
from whitepatch.claims.statistics import LEAST_SEEDS, POWER
from whitepatch.report.numbers import Number, Source, constant, parameter
from whitepatch.report.results import Results
from whitepatch.report.verdicts import Verdicts, origins

Said = Judged[Quantity]
Row = list[str | Number]

NATS = ("loss", "rises")
"""Measures that are told as ratios, too."""


def decided(results: Results, verdicts: Verdicts) -> dict[str, Any]:
    """Return what is said of the claims; nothing where there are none.

    Returns:
        `outcomes`: by part, the numbers of the claims by what came of them. `claims`: for each its
        `number`, its `text`, its outcome by part as `parts`, by how `much`, and the smallest value
        that would be found (`shows`). `rules`: a row for each statement. `against`: the networks
        with attention, by what came of them beside the controls. `controls`: what these are called.
        `few`: whether seeds are too few to decide; `least_seeds`, `power`.
    """
    if not verdicts.claims:
        return {}
    by_claim: dict[str, list[Said]] = {number: [] for number in CLAIMS}
    for it in verdicts.claims:
        by_claim[it.hypothesis.group.partition(" ")[0]].append(it)
    few = results.num_seeds < LEAST_SEEDS
    return {
        "outcomes": {part: _outcomes(results, verdicts, part) for part in PARTS},
        "claims": [
            {
                "number": number,
                "text": text,
                "parts": [_outcome(by_claim[number], part) for part in PARTS],
                "much": _much(results, verdicts, by_claim[number]),
                "shows": "nothing" if few else _shows(results, by_claim[number]),
            }
            for number, text in CLAIMS.items()
        ],
        "rules": [row for it in verdicts.claims for row in _rule(results, it)],
        "against": _against(results, verdicts),
        "controls": [results.titles[name] for name in CONTROLS if name in results.titles],
        "number": Number.count(
            len(verdicts.claims), constant("article", "HYPOTHESES"), _variants(results)
        ),
        "few": few,
        "least_seeds": Number.count(LEAST_SEEDS, constant("statistics", "LEAST_SEEDS")),
        "power": Number.percent(POWER, constant("statistics", "POWER")),
    }


def _variants(results: Results) -> Source:
    return parameter(results.name, "variants")


def _every(results: Results) -> tuple[Source, ...]:
    """Return what the outcomes come from; by Holm's correction, each from all claims' numbers."""
    quantities = [one.quantity for it in HYPOTHESES for one in it.statements]
    asked = {name for it in quantities for name in (it.measure, it.less) if name}
    found = [it for one in sorted(asked) for it in origins(Quantity(one, "*"), results.name)]
    return (*dict.fromkeys(found), constant("statistics", "LEAST_SEEDS"), _variants(results))


def _outcomes(results: Results, verdicts: Verdicts, part: str) -> dict[str, Number | str]:
    """Return the numbers of the claims that came out each way."""
    found: dict[str, Number | str] = {}
    for outcome in get_args(Outcome):
        which = [
            it.hypothesis.group.removesuffix(f" {part}")
            for it in verdicts.claims
            if it.hypothesis.group.endswith(part) and it.outcome == outcome
        ]
        if which:
            found[outcome] = Number(", ".join(which), "numbers of the claims", _every(results))
    return found


def _against(results: Results, verdicts: Verdicts) -> dict[str, list[str]]:
    """Return the networks whose loss is asked beside that of the controls, by outcome."""
    found: dict[str, list[str]] = {}
    for it in verdicts.claims:
        asked = it.hypothesis.statements[0].quantity
        if it.hypothesis.group.endswith(PARTS[1]) and asked.measure == "loss":
            found.setdefault(it.outcome, []).append(results.titles[asked.minus or ""])
    return {outcome: found[outcome] for outcome in get_args(Outcome) if outcome in found}


def _outcome(claims: Sequence[Said], part: str) -> str:
    found = (it.outcome for it in claims if it.hypothesis.group.endswith(part))
    return next(found, "not asked here")


def _pairs(it: Said) -> list[tuple[Statement[Quantity], Crossed]]:
    return list(zip(it.hypothesis.statements, it.numbers, strict=True))


def _measure(quantity: Quantity) -> str:
    if not quantity.less:
        return MEASURES[quantity.measure]
    return f"separation, {MEASURES[quantity.measure]} − {MEASURES[quantity.less]}"


def _number(results: Results, quantity: Quantity, found: Crossed) -> Number:
    where = origins(quantity, results.name)
    return Number.crossed(found, 3, *where, signed=bool(quantity.minus or quantity.less))


def _much(results: Results, verdicts: Verdicts, claims: Sequence[Said]) -> list[dict[str, Any]]:
    """Return by how much each statement is true: in words and accuracy, or as a number."""
    rows: list[dict[str, Any]] = []
    said = ""
    for one, found in (pair for it in claims for pair in _pairs(it)):
        it, measure = one.quantity, _measure(one.quantity)
        row: dict[str, Any] = {"measure": "" if measure == said else measure}
        if it.minus and it.measure in NATS:
            row |= _beside(results, verdicts, it, it.minus)
        elif it.minus:
            row |= {"minus": results.titles[it.minus], "value": _number(results, it, found)}
        else:
            row["value"] = _number(results, it, found)
        rows.append(row)
        said = measure
    return rows


def _beside(results: Results, verdicts: Verdicts, it: Quantity, own: str) -> dict[str, Any]:
    """Return how a variant's own loss or rise compares with another's; of a loss, accuracy too."""
    mean, other = (verdicts.measure(Quantity(it.measure, name)).value for name in (own, it.variant))
    times = Number.times(mean, other, *origins(it, results.name))
    row = {"times": times, "other": results.titles[it.variant]}
    if it.measure != "loss":
        return row
    gain = Quantity("accuracy", own, it.variant)
    found = verdicts.measure(gain)
    points = replace(found, value=100 * found.value, resamples=100 * found.resamples)
    where = origins(gain, results.name)
    return row | {"points": Number.crossed(points, 1, *where, signed=True)}


def _shows(results: Results, claims: Sequence[Said]) -> Number:
    """Return the largest of the smallest values that would be found: a claim needs them all."""
    pairs = [pair for it in claims for pair in _pairs(it)]
    where = [it for one, _ in pairs for it in origins(one.quantity, results.name)]
    most = max(found.detectable for _, found in pairs)
    return Number.fixed(most, 3, *dict.fromkeys(where), form="highest that is detectable")


def _rule(results: Results, said: Said) -> list[Row]:
    """Return a row for each statement: what is claimed, what must be so, what is; p; detectable."""
    text = said.hypothesis.text.format_map(results.titles)
    p = Number.fixed(said.p, 3, *_every(results), form="p of the crossed bootstrap, Holm")
    rows: list[Row] = []
    for one, found in _pairs(said):
        it, where = one.quantity, origins(one.quantity, results.name)
        variants = " − ".join(results.titles[name] for name in (it.variant, it.minus) if name)
        rows.append(
            [
                "" if rows else f"{said.hypothesis.group}: {text}",
                f"{_measure(it)}: {variants} {one.side} {one.level:g}",
                _number(results, it, found),
                "" if rows else p,
                Number.fixed(found.detectable, 3, *where, form="detectable"),
            ]
        )
    return rows
