"""Train a variant with every seed of an experiment."""

import csv
import io
import sys
from pathlib import Path

from safetensors.torch import save_file
from tqdm import tqdm

from whitepatch import params, paths
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.files import digest, replacing, write_json, write_text
from whitepatch.params import Runtime, Train
from whitepatch.progress import Forecast
from whitepatch.stages import run
from whitepatch.tracking.following import Follower, follow
from whitepatch.training import machine
from whitepatch.training.checkpoint import Checkpoint, key
from whitepatch.training.loop import Splits, Training, Weights, train


def main(name: str, variant: str) -> None:
    """Write every seed's weights at its chosen epoch and losses; the first's after each epoch."""
    everything = params.load()
    experiment, variant = everything.experiment(name), everything.variant(variant)
    device = machine.prepare(everything.runtime)
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
        *(part.model_dump() for part in (everything.runtime, experiment.patch, experiment.pixels)),
        experiment.train.model_dump(exclude={"seeds"}),
    )
    checkpoints = {
        seed: Checkpoint(paths.CHECKPOINTS / f"{name}-{variant}-{seed}-{identity}.safetensors")
        for seed in experiment.train.seeds
    }
    with follow(name, variant, everything, splits, trainings, identity, environment) as shown:
        _train_all(
            variant,
            trainings,
            checkpoints,
            shown,
            splits,
            experiment.train,
            everything.runtime,
        )
    _write_weights(name, variant, trainings, experiment.train.choose, environment)
    write_text(paths.history(name, variant), _history(trainings))
    for checkpoint in checkpoints.values():
        checkpoint.remove()


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
    # without a gradient, an image that is held out costs about a third of one that is learned
    extra = sum(len(images) for part, images in splits.items() if part != "train") / 3 / num_images
    with tqdm(
        total=len(checkpoints) * protocol.epochs * num_images,
        unit=" images",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 30,  # a log wants few lines
    ) as bar:
        forecast = Forecast(bar, 1 + extra)
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
                after_batch=forecast.update,
            )
            shown.finish(training)


def _write_weights(
    name: str,
    variant: str,
    trainings: dict[int, Training],
    choose: str,
    environment: dict[str, str | int],
) -> None:
    with replacing(paths.model(name, variant)) as folder:
        folder.mkdir()
        for seed, training in trainings.items():
            _save(training.best, folder / paths.weights(name, variant, seed).name)
            if training.epochs:
                named = {
                    f"{epoch}.{key}": tensor
                    for epoch, weights in enumerate(training.epochs, start=1)
                    for key, tensor in weights.items()
                }
                _save(named, folder / paths.epochs(name, variant).name)
        record = {
            "chosen_by": choose,
            "chosen_epoch": {
                str(seed): training.chosen_epoch(choose) for seed, training in trainings.items()
            },
            "trained_on": environment,
        }
        write_json(folder / paths.training_record(name, variant).name, record)


def _save(weights: Weights, path: Path) -> None:
    save_file({name: tensor.contiguous().cpu() for name, tensor in weights.items()}, path)


def _history(trainings: dict[int, Training]) -> str:
    text = io.StringIO()
    rows = [
        {"seed": seed, **{key: f"{value:.9g}" for key, value in row.items()}}
        for seed, training in trainings.items()
        for row in training.history
    ]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    run(main)
