"""Our localisation scores beside those of Quantus, without ties and with nothing else.

    python -m venv .venv/quantus && .venv/quantus/bin/pip install quantus==0.6.0
    .venv/quantus/bin/python bench/quantus_scores.py        writes reports/bench/quantus.md

In an environment of its own, because Quantus pins what this project does not need.

Source: Hedstroem et al., "Quantus", 2023, https://arxiv.org/abs/2202.06861.
"""

import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import quantus

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from whitepatch.maps.scores import coverage, score

NUM_MAPS = 300
SIZE = 16
THEIRS = {
    "auc": quantus.AUC,
    "mass": quantus.RelevanceMassAccuracy,
    "rank": quantus.RelevanceRankAccuracy,
    "pointing": quantus.PointingGame,
}


def main() -> None:
    """Compare, print and write."""
    generator = np.random.default_rng(0)
    tops, lefts = generator.integers(81, size=(2, NUM_MAPS))
    truth = coverage(tops, lefts, SIZE, 96)
    # positive and all different; every second one is higher in the patch
    maps = generator.uniform(0.1, 1, truth.shape)
    maps += truth * generator.uniform(0, 1, truth.shape) * (np.arange(NUM_MAPS) % 2)[:, None, None]
    uniform = np.ones((1, 96, 96))
    rows = []
    for name, kind in THEIRS.items():
        ours, theirs = score(maps, truth)[name], of_quantus(kind, maps, truth)
        furthest = np.abs(ours - theirs).max()
        tied = score(uniform, truth[:1])[name][0], of_quantus(kind, uniform, truth[:1])[0]
        rows.append(
            f"| {name} | {ours.mean():.4f} | {furthest:.1e} | {tied[0]:.4f} | {tied[1]:.4f} |"
        )
    text = (
        f"# Our scores beside Quantus {version('quantus')}\n\n"
        f"{NUM_MAPS} maps of 96×96 pixels without ties, a patch of {SIZE}×{SIZE}; and a uniform "
        "map, which is all ties. Ours gives every tie its expectation, so a uniform map scores "
        "chance. Written by `bench/quantus_scores.py`.\n\n"
        "| score | mean | largest difference | uniform map, ours | uniform map, Quantus |\n"
        "| --- | ---: | ---: | ---: | ---: |\n" + "\n".join(rows) + "\n"
    )
    Path("reports/bench").mkdir(parents=True, exist_ok=True)
    Path("reports/bench/quantus.md").write_text(text, encoding="utf-8")
    print(text)


def of_quantus(kind: type, maps: "np.ndarray", truth: "np.ndarray") -> "np.ndarray":
    """Return the scores that Quantus gives, [N]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = kind(abs=False, normalise=False, disable_warnings=True)
    return np.asarray(
        metric.evaluate_batch(a_batch=maps[:, None], s_batch=truth[:, None] > 0), float
    )


if __name__ == "__main__":
    main()
