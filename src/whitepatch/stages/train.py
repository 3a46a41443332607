"""Train a variant with every seed of an experiment."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from tqdm import tqdm

from whitepatch import paths
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.errors import UserError
from whitepatch.files import digest, write_text
from whitepatch.params import Runtime, Train, load
from whitepatch.stages import run
from whitepatch.tracking.following import Follower, follow
from whitepatch.training import history, machine, weights
from whitepatch.training.checkpoint import Checkpoint, key
from whitepatch.training.loop import Splits, Training, train


def main(name: str, variant: str) -> Callable[[], None]:
    """Write every seed's weights at its chosen epoch and losses; the first's after each epoch.

    Returns:
        What removes the checkpoints: to be called when the result may be recorded.
    """
    params = load()
    experiment, variant = params.experiment(name), params.variant(variant)
    device = machine.prepare(params.runtime)
    splits = {
        part: DeviceImages.of(loaded, experiment.patch, experiment.pixels, device)
        for part, loaded in manifest.load(paths.split(name), paths.raw(experiment.source)).items()
    }
    first, *_ = experiment.train.seeds
    trainings = {
        seed: Training.start(variant, seed, device, keep_epochs=seed == first)
        for seed in experiment.train.seeds
    }
    environment = machine.environment(device)
    identity = key(
        variant,
        environment,
        digest(paths.split(name)),
        *(part.model_dump() for part in (params.runtime, experiment.patch, experiment.pixels)),
        experiment.train.model_dump(exclude={"seeds"}),
    )
    checkpoints = {
        seed: Checkpoint(paths.CHECKPOINTS / f"{name}-{variant}-{seed}-{identity}.safetensors")
        for seed in experiment.train.seeds
    }
    following = follow(name, variant, params, splits, trainings, environment)
    with _alone(name, variant), following as shown:
        _train_all(variant, trainings, checkpoints, shown, splits, experiment.train, params.runtime)
    weights.write(name, variant, trainings, experiment.train.choose, environment)
    table = history.table({seed: training.history for seed, training in trainings.items()})
    write_text(paths.history(name, variant), table)

    def remove() -> None:
        for checkpoint in checkpoints.values():
            checkpoint.remove()

    return remove


@contextmanager
def _alone(name: str, variant: str) -> Iterator[None]:
    """Hold the checkpoints of a variant, which two at once would overwrite."""
    paths.CHECKPOINTS.mkdir(exist_ok=True)
    try:
        with FileLock(paths.CHECKPOINTS / f"{name}-{variant}.lock", timeout=1):
            yield
    except Timeout:
        raise UserError(
            f"another process trains {variant} of {name} already; let it finish, or end it "
            f"(pgrep -f 'stages.train {name} {variant}' says its number)"
        ) from None


def _train_all(
    variant: str,
    trainings: dict[int, Training],
    checkpoints: dict[int, Checkpoint],
    shown: Follower,
    splits: Splits,
    protocol: Train,
    where: Runtime,
) -> None:
    num_images = len(splits["train"])
    with tqdm(
        total=len(checkpoints) * protocol.epochs * num_images,
        unit=" images",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 30,  # a log wants few lines
    ) as bar:
        for seed, training in trainings.items():
            bar.set_description(f"{variant}, seed {seed}", refresh=False)
            checkpoint = checkpoints[seed]
            checkpoint.restore(training)
            bar.update(len(training.history) * num_images)
            shown.begin(seed, training)

            def after_epoch(training: Training, checkpoint: Checkpoint = checkpoint) -> None:
                checkpoint.save(training)
                shown.epoch(training)

            train(
                training,
                seed,
                splits,
                protocol,
                where,
                after_epoch=after_epoch,
                after_batch=bar.update,
            )
            shown.finish(training)


if __name__ == "__main__":
    run(main)
