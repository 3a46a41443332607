"""Train what several stages would, on more than one worker or machine, and leave it to them."""

__all__ = ["train_cells"]

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from whitepatch import paths, programs
from whitepatch.cells.filling import Engine, at_once, fill, num_workers
from whitepatch.cells.store import Store
from whitepatch.cells.worker import Order
from whitepatch.data import manifest
from whitepatch.errors import UserError
from whitepatch.files import digest
from whitepatch.params import Experiment, Params, load
from whitepatch.stages import sweep, train
from whitepatch.tracking.following import follow
from whitepatch.training import machine

LOOK = 1.0
"""Seconds between two looks at which cells are there."""


def train_cells(
    names: Sequence[str], part: str, engine: Engine | None, *, evaluate: bool = False
) -> None:
    """Train cells of several experiments and sweeps, and leave them to the stages.

    Args:
        names: Of experiments and sweeps.
        part: Which of the cells, as i/n: every n-th from the i-th on, counted from 1.
        engine: What trains them; None for as many at once as params.yaml says.
        evaluate: Whether DVC evaluates each variant meanwhile, as soon as its cells are there.

    Raises:
        UserError: There is no such name or part, DVC refuses, a split is an old one, or parts
            are trained on machines of two kinds.
    """
    first, every = _part(part)
    if every > 1 and evaluate:
        raise UserError("--evaluate needs all cells, but --cells asks for some")
    params = load()
    stages = _stages(names, params)
    if every == 1:  # jobs of an array would meet in DVC's lock
        stages = _waiting(stages)
    else:
        for name in {one.experiment for one in stages.values()}:
            _refuse_old_split(name, params.experiment(name))
    if not stages:
        _say("nothing to train: DVC has all, or would take it from its cache")
        return
    store = Store.here(params.cells.limit)
    with TemporaryDirectory() as folder:
        by_stage = _orders(stages, params, Path(folder))
        orders = _each_once(by_stage.values())
        if every > 1 and not params.cells.any_machine:
            _refuse_mixture(orders, store)
        mine = orders[first - 1 :: every]
        workers = params.cells.workers or num_workers(mine)
        with (
            _evaluating(by_stage, store) if evaluate else nullcontext(),
            follow(mine, params) as tell,
        ):
            fill(mine, store, engine or at_once(workers), tell)
    _say(
        f"{len(mine)} of {len(orders)} trainings, all that was asked for, are in {store.folder}; "
        "dvc repro takes them over"
    )


@dataclass(frozen=True)
class _Stage:
    """A stage of DVC that trains.

    Attributes:
        experiment: Of it.
        variant: If it is a train stage.
        sweep: Its name, if it is one.
    """

    experiment: str
    variant: str = ""
    sweep: str = ""


def _stages(names: Sequence[str], params: Params) -> dict[str, _Stage]:
    """Return the stages of experiments and sweeps, by DVC's name."""
    found = {}
    for name in names:
        if name in params.sweeps and name not in params.experiments:
            found[f"sweep@{name}"] = _Stage(params.sweeps[name].experiment, sweep=name)
            continue
        for variant in params.experiment(name).variants:
            found[f"train@{name}-{variant}"] = _Stage(name, variant)
    return found


def _orders(stages: Mapping[str, _Stage], params: Params, folder: Path) -> dict[str, list[Order]]:
    """Return the cells of each stage; writes the manifests of sweeps."""
    found = {}
    for name, stage in stages.items():
        if stage.sweep:
            at = folder / stage.sweep
            found[name] = [order for _, order in sweep.orders_of(stage.sweep, params, at)]
        else:
            found[name] = list(train.orders_of(stage.experiment, stage.variant, params).values())
    return found


def _each_once(stages: Iterable[Sequence[Order]]) -> list[Order]:
    """Return the cells of all stages; of the same cell the one that keeps most."""
    found: dict[str, Order] = {}
    for order in chain.from_iterable(stages):
        if order.key not in found or order.keeps_epochs:
            found[order.key] = order
    return list(found.values())


@contextmanager
def _evaluating(stages: Mapping[str, Sequence[Order]], store: Store) -> Iterator[None]:
    """Have DVC evaluate each variant, beside the block, as soon as its cells are there.

    One `dvc repro` at a time: two would meet in DVC's lock.
    """
    kind = "train@"
    waiting = {name: cells for name, cells in stages.items() if name.startswith(kind)}
    trained, stopped = Event(), Event()
    running: list[subprocess.Popen[str]] = []

    def there(order: Order) -> bool:
        return store.has(order.key, epochs=order.keeps_epochs)

    def evaluate() -> None:
        while waiting and not stopped.is_set():
            all_there = trained.wait(LOOK)
            ready = [it for it, cells in waiting.items() if all(map(there, cells))]
            for name in ready:
                del waiting[name]
            if ready:
                names = (f"evaluate@{name.removeprefix(kind)}" for name in ready)
                _dvc("repro", *names, running=running)
            elif all_there:
                return  # cells of other machines, which the stages know how to take

    with ThreadPoolExecutor(1) as pool:
        evaluated = pool.submit(evaluate)
        try:
            yield
        except BaseException:
            stopped.set()
            for dvc in running:
                dvc.terminate()
            raise
        finally:
            trained.set()
        evaluated.result()


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _refuse_mixture(orders: Sequence[Order], store: Store) -> None:
    """See to it that all parts of the same cells are trained on one kind of machine."""
    trainings = {order.key.partition("-")[0].encode() for order in orders}
    name = digest(*sorted(trainings))[:32]
    here = orders[0].asker
    first = store.claim(name, here)
    if first != here:
        raise UserError(
            f"another part of these trainings runs on {machine.words(first)}, and this is "
            f"{machine.words(here)}, where last bits may differ; if that is meant: "
            f"cells.any_machine in params.yaml; to begin anew: rm {store.claimed(name)}"
        )


def _refuse_old_split(name: str, experiment: Experiment) -> None:
    split = paths.split(name)
    now = manifest.table(experiment, paths.raw(experiment.source))
    if not split.is_file() or split.read_text(encoding="utf-8") != now:
        raise UserError(f"{split} is not what params.yaml says; make it: dvc repro split@{name}")


def _part(text: str) -> tuple[int, int]:
    first, _, every = text.partition("/")
    if first.isdecimal() and every.isdecimal() and 1 <= int(first) <= int(every):
        return int(first), int(every)
    raise UserError(f"--cells must be i/n with i from 1 to n, got {text!r}")


def _waiting(stages: Mapping[str, _Stage]) -> dict[str, _Stage]:
    """Return which stages DVC would run; makes their splits."""
    _dvc("repro", *sorted({f"split@{one.experiment}" for one in stages.values()}))
    said = _dvc("repro", "--dry", *stages)
    # what its run-cache has, DVC names twice
    cached = set(re.findall(r"^Stage '(.+)' is cached", said, re.MULTILINE))
    running = set(re.findall(r"^Running stage '(.+)'", said, re.MULTILINE)) - cached
    return {name: one for name, one in stages.items() if name in running}


DVC = """
import os, sys
from whitepatch import programs
programs.end_with_parent(os.getppid())
from dvc.cli import main
sys.exit(main())
"""


def _dvc(*command: str, running: list["subprocess.Popen[str]"] | None = None) -> str:
    """Run a command of DVC, which ends with us; return what it says. What it shows is shown.

    Args:
        *command: Of it.
        running: Is told of its process.
    """
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", DVC, *command],
        env=programs.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as dvc:
        if running is not None:
            running.append(dvc)
        said = dvc.communicate()[0]
    if dvc.returncode:
        raise UserError(f"dvc {command[0]} fails, for the reason above")
    return said
