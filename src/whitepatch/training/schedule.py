"""The learning rate of every step."""

__all__ = ["learning_rate"]

import math

from whitepatch.params import Train


def learning_rate(step: int, steps_per_epoch: int, params: Train) -> float:
    """Return the learning rate of a step, counted from 0 over the whole training.

    `one_cycle` rises linearly to `learning_rate`, then falls along half a cosine to zero; each
    step takes the value at its middle. Source: Smith and Topin, "Super-Convergence", 2018,
    https://arxiv.org/abs/1708.07120; ours leaves the momentum alone.
    """
    if params.schedule == "constant":
        return params.learning_rate
    done = (step + 0.5) / (params.epochs * steps_per_epoch)
    if done < params.rise:
        return params.learning_rate * done / params.rise
    return (
        params.learning_rate
        * (1 + math.cos(math.pi * (done - params.rise) / (1 - params.rise)))
        / 2
    )
