"""Train a variant with every seed of an experiment."""

from whitepatch import paths
from whitepatch.cells.filling import at_once, fill, num_workers
from whitepatch.cells.store import Store
from whitepatch.cells.worker import Order
from whitepatch.files import write_text
from whitepatch.params import Params, load
from whitepatch.stages import run
from whitepatch.tracking.following import follow, shown
from whitepatch.training import history, machine, weights


def main(name: str, variant: str) -> None:
    """Write every seed's weights at its chosen epoch and losses; the first's after each epoch."""
    params = load()
    experiment, variant = params.experiment(name), params.variant(name, variant)
    orders = orders_of(name, variant, params)
    cells, store = list(orders.values()), Store.here(params.cells.limit)
    with follow(cells, params) as tell:
        found = fill(cells, store, at_once(params.cells.workers or num_workers(cells)), tell)
    trained = {seed: found[order.key] for seed, order in orders.items()}
    weights.write(name, variant, trained, experiment.train.choose)
    table = history.table({seed: one.history for seed, one in trained.items()})
    write_text(paths.history(name, variant), table)


def orders_of(name: str, variant: str, params: Params) -> dict[int, Order]:
    """Return the cells of a variant, by seed; the first seed keeps the weights of its epochs.

    Args:
        name: Of the experiment.
        variant: Of it.
        params: All parameters.
    """
    experiment = params.experiment(name)
    here = machine.here(experiment.runtime)
    seeds, show = experiment.train.seeds, shown(name, params)
    return {
        seed: Order.of(
            name,
            experiment,
            variant,
            seed,
            paths.split(name),
            here,
            keeps_epochs=seed == seeds[0],
            show=show,
            any_machine=params.cells.any_machine,
        )
        for seed in seeds
    }


if __name__ == "__main__":
    run(main)
