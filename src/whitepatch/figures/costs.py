"""What learning costs: the same losses against epochs, and against operations."""

__all__ = ["costs"]

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from whitepatch.figures import palette, style


def costs(
    histories: Mapping[str, pd.DataFrame], titles: Mapping[str, str], epoch: Mapping[str, float]
) -> Figure:
    """Draw the mean test loss of the seeds, twice: by epoch, and by what was computed until then.

    Args:
        histories: By variant, one row a seed and epoch.
        titles: What to call each variant, in order.
        epoch: By variant, what an epoch of training takes, 10^12 operations (TFLOP).
    """
    figure = style.new(9.6, 4.6)
    by_epoch, by_cost = figure.subplots(1, 2, sharey=True)
    for variant, title in titles.items():
        losses = histories[variant].groupby("epoch")["test_loss"].mean()
        look = {"color": palette.colour(variant), "marker": "o", "ms": 4}
        by_epoch.plot(losses.index, losses, label=title, **look)
        by_cost.plot(losses.index * epoch[variant], losses, **look)
    by_epoch.set(xlabel="epoch", ylabel="test loss (nats)", yscale="log")
    by_epoch.xaxis.set_major_locator(MaxNLocator(integer=True))
    by_epoch.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    by_epoch.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    by_epoch.yaxis.set_minor_formatter(NullFormatter())
    by_cost.set(xlabel="training (TFLOP)")
    figure.legend(loc="outside lower center", ncols=4)
    return figure
