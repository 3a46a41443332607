"""Trainings that are kept, finished or begun, under the names that `cell` gives them.

The store is scratch that outlives a clone: unknown to Git and DVC, shared by all clones of a
machine, and safe to remove at any time. A cell that does not fit is never found. Its files are
safetensors with a digest of all they bring back, written whole or not at all; no pickle. A begun
training holds no generator's state, because every epoch seeds its own.
"""

__all__ = ["Store"]

import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from whitepatch.cells.snapshot import Snapshot
from whitepatch.files import replacing
from whitepatch.training.loop import Trained, Training
from whitepatch.training.weights import under

SUFFIX = ".safetensors"

VARIABLE = "WHITEPATCH_CELLS"
"""Of the environment: a folder for the store, in place of the user's cache."""


@dataclass(frozen=True)
class Store:
    """The trainings of a machine.

    Attributes:
        folder: Where their files lie.
        limit: Bytes that finished ones may take; those that were not used for longest go first.
    """

    folder: Path
    limit: float

    @classmethod
    def here(cls, gigabytes: float) -> "Store":
        """Return the store that the environment names, or the user's own."""
        named = os.environ.get(VARIABLE)
        folder = Path(named) if named else user_cache_path("whitepatch") / "cells"
        return cls(folder.absolute(), gigabytes * 1e9)

    def finished(self, key: str, *, epochs: bool, anywhere: bool = False) -> Trained | None:
        """Return a finished training; None if it is not here, or damaged, which is said.

        Args:
            key: Its name.
            epochs: Whether the weights of every epoch are asked for, too.
            anywhere: Whether what other kinds of machines have trained will do.
        """
        for name in (key, *(self.elsewhere(key) if anywhere else ())):
            trained = self._finished_as(name, epochs=epochs)
            if trained is not None:
                return trained
        return None

    def _finished_as(self, key: str, *, epochs: bool) -> Trained | None:
        found = _read(self._finished(key))
        if found is None:
            return None
        tensors, state = found
        kept = None
        if epochs:
            beside = _read(self._epochs(key))
            if beside is None:
                return None
            kept = [under(f"{it + 1}", beside[0]) for it in range(len(state["history"]))]
            self._epochs(key).touch()
        self._finished(key).touch()
        return Trained(state["history"], tensors, kept, state["trained_on"])

    def has(self, key: str, *, epochs: bool) -> bool:
        """Say whether `finished` would find it, without a look into it."""
        return self._finished(key).exists() and (not epochs or self._epochs(key).exists())

    def elsewhere(self, key: str) -> list[str]:
        """Return under which keys other machines have finished the same training, sorted."""
        training, _, _ = key.partition("-")
        names = [path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"{training}-*")]
        return sorted(name for name in names if name != key and "." not in name)

    def finish(self, key: str, trained: Trained) -> None:
        """Keep a finished training; what was begun of it goes."""
        if trained.epochs is not None:
            named = {
                f"{epoch}.{name}": tensor
                for epoch, weights in enumerate(trained.epochs, start=1)
                for name, tensor in weights.items()
            }
            _write(self._epochs(key), named, {})
        state = {"history": trained.history, "trained_on": dict(trained.trained_on)}
        _write(self._finished(key), trained.best, state)
        self.forget_begun(key)

    def forget_begun(self, key: str) -> None:
        """Remove what was begun of a training, if anything."""
        self._begun(key).unlink(missing_ok=True)

    def begin(self, key: str, training: Training) -> None:
        """Put a new training where it was left; it stays as it is if nothing was begun.

        A file that is damaged is passed over, which is said: the training then starts anew.
        """
        device = training.network.head.weight.device
        found = _read(self._begun(key), device)
        if found is None:
            return
        tensors, state = found
        epochs = [under(f"epoch {it + 1}", tensors) for it in range(len(state["history"]))]
        if training.epochs is not None:
            if not all(epochs):  # it kept none; whoever asks for them trains anew
                return
            training.epochs = epochs
        training.history = state["history"]
        training.network.load_state_dict(under("network", tensors))
        training.best = under("best", tensors)
        training.optimizer.restore(under("optimizer", tensors))

    def keep(self, key: str, snapshot: Snapshot) -> None:
        """Keep a training as it was between two epochs."""
        _write(self._begun(key), snapshot.tensors(), {"history": snapshot.history})

    def files(self, key: str) -> list[Path]:
        """Return the files of a training, finished or begun."""
        return [path for path in self.folder.glob(f"{key}.*") if path.suffix == SUFFIX]

    def claim(self, name: str, machine: Mapping[str, str | int]) -> Mapping[str, str | int]:
        """Write down what machine works on something, if nobody has; return what is written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.claimed(name)
        with NamedTemporaryFile(dir=self.folder, prefix=".") as file:
            file.write(json.dumps(dict(machine)).encode())
            file.flush()
            with suppress(FileExistsError):  # a link, for it comes with its content or not at all
                os.link(file.name, path)
        found: dict[str, str | int] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def claimed(self, name: str) -> Path:
        """Return where `claim` writes."""
        return self.folder / f"{name}.machine.json"

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Let no other process of this machine train this cell; wait while one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f"{key}.lock"):
            yield

    def _finished(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _epochs(self, key: str) -> Path:
        return self.folder / f"{key}.epochs.safetensors"

    def _begun(self, key: str) -> Path:
        return self.folder / f"{key}.begun.safetensors"

    def prune(self, used: Collection[str]) -> None:
        """Remove what was not used for longest until all that is left is within the limit.

        Args:
            used: Keys of what stays in any case.
        """
        files = []
        for path in self.folder.glob(f"[!.]*{SUFFIX}"):
            with suppress(FileNotFoundError):  # another process is done with it
                if path.name.partition(".")[0] not in used:
                    files.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(path.stat().st_size for key in used for path in self.files(key))
        total += sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.limit:
                return
            path.unlink(missing_ok=True)
            total -= size


def _write(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    # safetensors keeps no memory order, so what is saved is contiguous
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    content = dict(state) | {"digest": _digest(state, contiguous)}
    with replacing(path) as temporary:
        # under one key, because safetensors writes several in a random order
        temporary.write_bytes(save(contiguous, {"state": json.dumps(content)}))


def _read(
    path: Path, device: torch.device | str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return what a file brings back; None if it is not there, or damaged, which is said."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            state = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no dict
        if state.pop("digest") != _digest(state, tensors):
            raise ValueError("its content has changed")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        print(f"{path} cannot be used ({error}); training anew", file=sys.stderr)  # noqa: T201
        return None
    return tensors, state


def _digest(state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    total = sha256(json.dumps(state, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        what = f"{name} {tensor.dtype} {list(tensor.shape)}"
        total.update(what.encode() + b"\0" + tensor.cpu().numpy().tobytes())
    return total.hexdigest()
