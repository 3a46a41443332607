"""Trains what the store has not: one cell after the other, or several at once."""

__all__ = ["Engine", "at_once", "fill", "num_workers"]

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import SimpleQueue, active_children, get_context
from threading import Thread
from typing import Any, TypeAlias

import psutil
import torch
from joblib import cpu_count
from tqdm import tqdm

from whitepatch import programs
from whitepatch.cells.store import Store
from whitepatch.cells.worker import Order, Tell, train_cell
from whitepatch.errors import UserError
from whitepatch.training import machine
from whitepatch.training.loop import Trained

Engine: TypeAlias = Callable[[Sequence[Order], Store, Tell], None]
"""Trains cells, each into the store, and tells what happens in one thread of this process."""


STOP = 5.0
"""Seconds that a worker has to stop."""

MEMORY = 2**31
"""Bytes that a worker may come to hold: the most of reports/bench/cpu.md, and the images."""


def num_workers(orders: Sequence[Order]) -> int:
    """Return how many cells this machine trains at once: one a GPU, or all cores in threads.

    Cores are those that this process may use, by affinity and by a container's quota; they are
    fewer where there is no memory for so many.
    """
    if _use_gpus(orders):
        return len(_gpus())
    most = psutil.virtual_memory().available // MEMORY
    threads = max((order.cell.runtime.threads for order in orders), default=1)
    return max(1, min(cpu_count() // threads, most))


def _use_gpus(orders: Sequence[Order]) -> bool:
    return any(machine.device(it).type == "cuda" for it in {x.cell.runtime for x in orders})


def fill(orders: Sequence[Order], store: Store, engine: Engine, tell: Tell) -> dict[str, Trained]:
    """Return the finished trainings of some cells, by key; those that are not there are trained.

    Args:
        orders: The cells.
        store: Where they are, and will be.
        engine: Trains those that are missing.
        tell: Hears what happens, as `worker.Tell`, in one thread.

    Raises:
        UserError: One of them cannot be trained; those that are finished are kept.
    """

    def found() -> dict[str, Trained]:
        pairs = (
            (it.key, store.finished(it.key, epochs=it.keeps_epochs, anywhere=it.any_machine))
            for it in orders
        )
        return {key: trained for key, trained in pairs if trained is not None}

    there = found()
    missing = [order for order in orders if order.key not in there]
    _say_what_is_passed_over(missing, store)
    with closing(_Progress(orders, missing)) as progress:

        def hear(event: tuple[str, str, Any]) -> None:
            progress.hear(event)
            tell(event)

        if missing:
            engine(missing, store, hear)
    there = found() if missing else there
    store.prune({order.key for order in orders})
    if len(there) < len({order.key for order in orders}):
        raise UserError(f"the trainings in {store.folder} are not whole; run this again")
    return there


def _say_what_is_passed_over(missing: Sequence[Order], store: Store) -> None:
    passed = [order for order in missing if store.elsewhere(order.key)]
    if passed:
        print(  # noqa: T201
            f"{len(passed)} of these trainings are there from another kind of machine, whose last "
            "bits may differ, and are trained anew; to take them: cells.any_machine in params.yaml",
            file=sys.stderr,
        )


def at_once(workers: int) -> Engine:
    """Return what trains so many cells at once on this machine, each in a process of its own.

    Args:
        workers: How many; one trains in this process.
    """

    def train(orders: Sequence[Order], store: Store, hear: Tell) -> None:
        if min(workers, len(orders)) > 1:
            _in_processes(orders, store, min(workers, len(orders)), hear)
            return
        for order in orders:
            train_cell(order, store, hear)

    return train


def _in_processes(orders: Sequence[Order], store: Store, workers: int, hear: Tell) -> None:
    spawn = get_context("spawn")  # CUDA cannot be forked
    events, devices = spawn.SimpleQueue(), spawn.SimpleQueue()
    for name in _devices(orders, workers):
        devices.put(name)

    def listen() -> None:
        while (event := events.get()) is not None:
            hear(event)

    listener = Thread(target=listen, daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(workers, spawn, _begin, (devices, events))
    try:
        for ended in as_completed([pool.submit(_train, order, store) for order in orders]):
            ended.result()
    except BaseException as error:
        workers_left = active_children()  # none but these
        for process in workers_left:
            process.terminate()
        for process in workers_left:  # each keeps its last epoch, which takes no time
            process.join(STOP)
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                f"one of {workers} workers was killed, most likely for want of memory; what is "
                "finished is kept: run this again with fewer, --workers N or cells.workers"
            ) from None
        raise
    pool.shutdown()
    events.put(None)
    listener.join()


def _devices(orders: Sequence[Order], workers: int) -> list[str | None]:
    """Return a GPU for each worker, as CUDA_VISIBLE_DEVICES names it; None on a CPU."""
    if not _use_gpus(orders):
        return [None] * workers
    known, named = _gpus(), os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [named.split(",")[it] if named else str(it) for it in known]
    return [names[number % len(names)] for number in range(workers)]


def _gpus() -> list[int]:
    """Return which GPUs are of the first one's kind; others would give other last bits."""
    kinds = [torch.cuda.get_device_name(it) for it in range(torch.cuda.device_count())]
    return [it for it, kind in enumerate(kinds) if kind == kinds[0]]


_tell: Tell = print
"""Of this process, if it is a worker."""


def _begin(devices: "SimpleQueue[str | None]", events: "SimpleQueue[Any]") -> None:
    """Begin a worker: a GPU of its own, Ctrl-C left to its parent, and no life without that."""
    global _tell
    _tell = events.put
    if (device := devices.get()) is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    programs.end_with_parent(os.getppid())


def _train(order: Order, store: Store) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        train_cell(order, store, _tell)
    except KeyboardInterrupt:  # its parent stops; the pool would have it train the next one
        os._exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a broken pool sends it again
    raise KeyboardInterrupt


class _Progress:
    """One line on all cells: how many are done and running, images a second, the time left."""

    def __init__(self, orders: Sequence[Order], missing: Sequence[Order]) -> None:
        self.orders = {order.key: order for order in orders}
        self.running: set[str] = set()
        self.images: Counter[str] = Counter()
        self.done = len(self.orders) - len(missing)
        where = sorted({str(order.asker["device_name"]) for order in missing})
        unused = any(machine.passes_a_gpu_over(order.cell.runtime) for order in missing)
        self.where = f"on {', '.join(where)}{', not on the GPU' * unused}"
        self.bar = tqdm(
            total=sum(order.cell.train.epochs * order.num_images for order in missing),
            unit=" images",
            unit_scale=True,
            disable=not missing,
            mininterval=0.5 if sys.stderr.isatty() else 30,  # a log wants few lines
        )

    def hear(self, event: tuple[str, str, Any]) -> None:
        key, what, content = event
        if what == "begin":
            self.running.add(key)
            # less than before where a worker died and another begins again
            self._add(key, len(content) * self.orders[key].num_images - self.images[key])
        elif what == "images":
            self._add(key, content)
        elif what == "finish":
            self.running.discard(key)
            self.done += 1
        if what in ("begin", "finish"):
            names = {self.orders[it].cell.variant for it in self.running}
            words = (
                f"{self.done} of {len(self.orders)} done, {len(self.running)} running {self.where}"
            )
            self.bar.set_description(" ".join([words, *sorted(names)]), refresh=False)

    def _add(self, key: str, number: int) -> None:
        self.images[key] += number
        self.bar.update(number)

    def close(self) -> None:
        self.bar.close()
