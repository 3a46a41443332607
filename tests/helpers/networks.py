"""Sweeps of planted networks, of which arithmetic knows what they can do."""

import numpy as np
import pandas as pd

from whitepatch.claims.swept import Swept

SEEDS, SCENES, CROPS = 5, 8, 48


def swept(name, networks, levels=({},)):
    """Return a sweep of planted networks: functions of levels, labels and scenes to logits."""
    shows = np.arange(CROPS * 4) // 4 % SCENES
    labels = np.tile([1, 1, 0, 0], CROPS)
    rows, logits = [], []
    for level in levels:
        for variant, network in networks.items():
            for seed in range(SEEDS):
                rows.append({"variant": variant, **level, "seed": seed})
                logits.append(network(level, labels, np.random.default_rng(seed)))
    table = pd.DataFrame(rows)
    return Swept(
        name,
        table,
        np.array(logits, np.float32),
        np.tile(labels, (len(table), 1)).astype(np.uint8),
        np.tile(shows, (len(table), 1)).astype(np.uint8),
        np.full((len(levels), 2, 3, 96, 96), 128, np.uint8),
    )


def right(share):
    """Return a network that judges so many of its images rightly, at random."""
    return lambda _, labels, generator: (
        np.where(generator.random(len(labels)) < share, 1.0, -1.0) * (2 * labels - 1)
    )


def constant(_, labels, generator):  # noqa: ARG001 -- as any network
    """A network that always says yes."""
    return np.ones(len(labels))


def additive(_, labels, generator):
    """A sum over two places, whose fours are (h, h), (g, g), (h, g), (g, h): labels 1, 1, 0, 0."""
    one, other = generator.normal(size=(2, len(labels) // 4)) + 0.5
    return np.stack([2 * one, 2 * other, one + other, one + other], axis=1).ravel()
