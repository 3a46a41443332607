"""Trains cells on a Ray cluster: https://docs.ray.io, an optional extra (requirements-ray.txt).

Nothing here schedules; Ray does. Images are put into its object store once, results come back as
bytes, so no folder is shared. This process keeps what a training has kept, so that one whose node
dies goes on from there on another.
"""

__all__ = ["on_ray"]

import copy
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from whitepatch.cells.filling import Engine
from whitepatch.cells.store import Store
from whitepatch.cells.worker import Order, Parts, Tell, train_cell
from whitepatch.errors import UserError, short
from whitepatch.files import replacing
from whitepatch.params import Runtime

PACKAGE = Path(__file__).parents[1]

SENT = 5.0
"""Seconds at least between two states that a training sends home."""

TRIES = 4
"""How often a cell is begun whose worker dies."""

Files = dict[str, bytes]
"""Of a store, by name."""


def on_ray(address: str, num_gpus: float | None) -> Engine:
    """Return what trains cells on a Ray cluster.

    Args:
        address: As `ray.init` takes it: `ray://host:port`, `auto`, or `local` for one of this
            process alone.
        num_gpus: Of each cell; several share a GPU if it is a fraction. None for one if the cluster
            has any and `runtime.device` takes it.
    """

    def train(orders: Sequence[Order], store: Store, hear: Tell) -> None:
        with _cluster(address) as ray:
            needs = {it: _needs(ray, it, num_gpus) for it in {x.cell.runtime for x in orders}}
            with _hearing(ray, store, hear) as tell:
                _train_all(ray, orders, store, tell, needs)
        for order in orders:  # a state may come behind the end
            for key in (order.key, *store.elsewhere(order.key)):
                store.forget_begun(key)

    return train


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would call home
    try:
        import ray  # here, because it is optional
    except ModuleNotFoundError:
        raise UserError(
            "--ray needs Ray, which is not here; it comes with: "
            "make ray, or: uv pip install --require-hashes -r requirements-ray.txt"
        ) from None
    local = {"include_dashboard": False} if address == "local" else {}
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if port.isdecimal():  # Ray would knock for minutes where nobody is
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        ray.init(
            address,
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env={"py_modules": [str(PACKAGE)]},
            **local,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = short(str(error).strip().splitlines()[0], 200)
        raise UserError(f"--ray {address}: no cluster can be used there ({reason})") from None
    try:
        yield ray
    except ConnectionError as error:
        raise UserError(
            f"--ray {address}: the cluster is gone ({short(str(error), 200)})"
        ) from None
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error  # what a worker raised
        if isinstance(cause, UserError):
            raise UserError(str(cause)) from None
        reason = short(" ".join(f"{type(cause).__name__}: {cause}".split()), 300)
        raise UserError(f"--ray {address}: a worker fails ({reason})") from None
    finally:
        ray.shutdown()


def _needs(ray: Any, runtime: Runtime, num_gpus: float | None) -> dict[str, Any]:
    """Return what a cell asks of a node, in words of Ray.

    Raises:
        UserError: No node has it.
    """
    if num_gpus is None:
        num_gpus = int(runtime.device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0)
    if num_gpus > 1:
        raise UserError(f"--gpus must be at most 1, for a cell uses one GPU; got {num_gpus:g}")
    wanted = {"CPU": runtime.threads, "GPU": num_gpus}
    if not any(
        node["Alive"] and all(node["Resources"].get(kind, 0) >= wanted[kind] for kind in wanted)
        for node in ray.nodes()
    ):
        raise UserError(
            f"no node of this Ray cluster has {runtime.threads} cores and {num_gpus:g} GPUs, "
            "which a cell needs; lower runtime.threads, or --gpus"
        )
    # Ray shows all GPUs to a task that asks for none
    hidden = {} if num_gpus else {"runtime_env": {"env_vars": {"CUDA_VISIBLE_DEVICES": ""}}}
    return {"num_cpus": runtime.threads, "num_gpus": num_gpus, "max_retries": 0} | hidden


@contextmanager
def _hearing(ray: Any, store: Store, hear: Tell) -> Iterator[Tell]:
    """Yield what workers may call; `hear` is called here, and states that they send are kept."""
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    home = On(ray.get_runtime_context().get_node_id(), soft=False)
    events = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": home})
    events.size()  # it is there before anybody calls it

    def listen() -> None:
        with suppress(ray.exceptions.RayError):  # the cluster is gone, which is said elsewhere
            _listen()

    def _listen() -> None:
        while (event := events.get()) is not None:
            if event[1] == "state":
                _take(store, event[2])
            else:
                hear(event)

    listener = Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield events.put
    finally:
        with suppress(ray.exceptions.RayError):
            events.put(None)
        listener.join()


def _take(store: Store, files: Files) -> None:
    for name, content in files.items():
        with replacing(store.folder / name) as temporary:
            temporary.write_bytes(content)


def _train_all(
    ray: Any,
    orders: Sequence[Order],
    store: Store,
    tell: Tell,
    needs: Mapping[Runtime, Mapping[str, Any]],
) -> None:
    died = (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.ObjectLostError,
    )
    train = ray.remote(_train)
    parts: dict[str, Any] = {}
    begun: Counter[str] = Counter()

    def begin(order: Order) -> Any:
        begun[order.key] += 1
        images = order.cell.images
        if images not in parts:
            parts[images] = ray.put(order.parts())
        training = order.key.partition("-")[0]
        states = _files(store.folder.glob(f"{training}-*.begun.*"))
        wanted = needs[order.cell.runtime]
        return train.options(**wanted).remote(order, parts[images], states, tell)

    running = {begin(order): order for order in orders}
    while running:
        (ended,), _ = ray.wait(list(running), num_returns=1)
        order = running.pop(ended)
        try:
            _take(store, ray.get(ended))
        except died as error:
            if begun[order.key] == TRIES:
                raise UserError(
                    f"{order.cell.variant}, seed {order.cell.seed}: its worker died {TRIES} times "
                    f"({type(error).__name__}); what is finished is kept"
                ) from None
            running[begin(order)] = order


def _train(order: Order, parts: Parts, states: Files, tell: Tell) -> Files:
    """Train a cell in a worker of Ray; return the files that a store has of it."""
    sent = time.monotonic()

    def tell_and_send(event: tuple[str, str, Any]) -> None:
        nonlocal sent
        tell(event)
        if event[1] == "epoch" and time.monotonic() - sent >= SENT:
            tell((order.key, "state", _files(store.folder.glob("*.begun.*"))))
            sent = time.monotonic()

    with TemporaryDirectory() as folder:
        store = Store(Path(folder), inf)
        _take(store, states)
        # Ray's arrays may not be written to, and torch warns of that
        key = train_cell(order, store, tell_and_send, copy.deepcopy(parts))
        return _files(store.files(key))


def _files(paths: Iterable[Path]) -> Files:
    return {path.name: path.read_bytes() for path in paths}
