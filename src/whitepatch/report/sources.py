"""Where the stages leave what a page prints: files and keys, as `numbers` names them."""

__all__ = ["ERROR", "SEPARATION", "choosing", "curve", "deciding", "parameter", "seeds", "total"]

from whitepatch.claims.rules import Claim
from whitepatch.report.numbers import Source

ERROR = "min_test_loss"
"""The key of the article's error, below a seed."""

SEPARATION = {
    "output": "maps.output *.auc",
    "input": "maps.input *.auc",
    "trained": "maps.output *.auc",
    "untrained": "untrained_maps.output *.auc",
}
"""The keys, below a seed, of how far drawn channels tell the patch from the rest."""


def seeds(variant: str, *keys: str) -> tuple[Source, ...]:
    """Return what the evaluation of a variant, or of `*`, has of every seed."""
    return tuple(Source(f"metrics/{variant}.json", f"seeds.*.{key}") for key in keys)


def total(variant: str, key: str) -> Source:
    """Return what the evaluation of a variant, or of `*`, has but once."""
    return Source(f"metrics/{variant}.json", key)


def curve(variant: str) -> Source:
    """Return the test losses of all epochs of a variant, or of `*`."""
    return Source(f"history/{variant}.csv", "test_loss")


def choosing(variant: str, choose: str) -> Source:
    """Return the losses of all epochs of a variant, or of `*`, on the images that choose."""
    return Source(f"history/{variant}.csv", f"{choose}_loss")


def parameter(experiment: str, key: str) -> Source:
    """Return a parameter of an experiment."""
    return Source("params.yaml", f"experiments.{experiment}.{key}")


def deciding(claim: Claim, name: str) -> tuple[Source, ...]:
    """Return the inputs of a number that decides a claim, by its name: `measure: first - second`.

    Errors and unrest are compared between variants, separations between the maps of one.
    """
    measure, _, pair = name.rpartition(": ")
    if measure == "error":
        return tuple(source for variant in pair.split(" - ") for source in seeds(variant, ERROR))
    if measure == "unrest":
        return tuple(curve(variant) for variant in pair.split(" - "))
    if measure == "separation":
        return seeds(claim.subject, *(SEPARATION[side] for side in pair.split(" - ")))
    return (curve(claim.subject),)
