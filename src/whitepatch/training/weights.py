"""What training left: a record, each seed's network, the first seed's weights after every epoch."""

__all__ = ["epochs", "network", "under", "write"]

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.files import replacing, write_json
from whitepatch.models.classifier import Classifier, build
from whitepatch.training.loop import Trained, Weights, chosen_epoch


def write(
    name: str,
    variant: str,
    trained: Mapping[int, Trained],
    choose: str,
) -> None:
    """Write the folder of a variant whose trainings are done, whole or not at all.

    Args:
        name: Of the experiment.
        variant: Of it.
        trained: By seed; one that kept the weights of its epochs has these written, too.
        choose: The split whose lowest loss chooses the epoch.
    """
    with replacing(paths.model(name, variant)) as folder:
        folder.mkdir()
        for seed, one in trained.items():
            _save(one.best, folder / paths.weights(name, variant, seed).name)
            if one.epochs:
                named = {
                    f"{epoch}.{key}": tensor
                    for epoch, weights in enumerate(one.epochs, start=1)
                    for key, tensor in weights.items()
                }
                _save(named, folder / paths.epochs(name, variant).name)
        machines = {str(seed): dict(one.trained_on) for seed, one in trained.items()}
        here = next(iter(machines.values()))
        elsewhere = {seed: there for seed, there in machines.items() if there != here}
        record = {
            "chosen_by": choose,
            "chosen_epoch": {
                str(seed): chosen_epoch(one.history, choose) for seed, one in trained.items()
            },
            "trained_on": here,
        } | ({"trained_elsewhere": elsewhere} if elsewhere else {})
        write_json(folder / paths.training_record(name, variant).name, record)


def network(name: str, variant: str, seed: int, device: torch.device) -> Classifier:
    """Return the network of a seed, with its weights at the chosen epoch.

    Raises:
        UserError: They are missing or damaged.
    """
    path = paths.weights(name, variant, seed)
    with _usable(path, name, variant):
        found = build(variant, seed)
        found.load_state_dict(load_file(path))
    return found.to(device)


def epochs(name: str, variant: str, number: int, device: torch.device) -> list[Weights]:
    """Return the first seed's weights after each of so many epochs.

    Raises:
        UserError: They are missing or damaged, or of fewer epochs.
    """
    path = paths.epochs(name, variant)
    with _usable(path, name, variant):
        tensors = load_file(path)
        found = [under(str(epoch), tensors) for epoch in range(1, number + 1)]
        fits = build(variant, 0)
        for weights in found:
            fits.load_state_dict(weights)
    return [{name: tensor.to(device) for name, tensor in one.items()} for one in found]


def _save(weights: Weights, path: Path) -> None:
    # safetensors keeps no memory order, so what is saved is contiguous
    # bytes, because save_file's own errors are no OSError even where the disk is full
    path.write_bytes(save({name: tensor.contiguous().cpu() for name, tensor in weights.items()}))


def under(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """Return the tensors that are named `<prefix>.<name>`, by `<name>`."""
    return {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{prefix}.")
    }


@contextmanager
def _usable(path: Path, name: str, variant: str) -> Iterator[None]:
    """Say in one line what is wrong with a file of a training, and how to mend it."""
    cure = f"dvc repro train@{name}-{variant}"
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing; train it with: {cure}") from None
    except RuntimeError:
        raise UserError(
            f"{path} cannot be used (its tensors are not those of {variant}); "
            f"train it again: {cure}"
        ) from None
    except (SafetensorError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be used ({reason}); train it again: {cure}") from None
