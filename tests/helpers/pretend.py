"""A GPU that is not there: CPU tensors that say they lie on one, for tests on machines without.

    with pretend.gpu() as gpu:
        training = Training.start("cnn", 0, torch.device("cuda"))

Inside the block `torch.cuda.is_available()` is True, and whatever is made on "cuda" or moved there
is computed on the CPU, by the same numbers, bit for bit, but claims to be on "cuda:0". What a GPU
would refuse is refused: an operation between tensors of both devices, NumPy on a tensor of the
GPU, and, while a CUDA graph is captured, any wait for the device and any use of the CPU's memory.
A captured graph does nothing when it is captured, and does the same again, at the same addresses,
when it is replayed; so a learning rate that was a Python number stays what it was.

What it cannot know: speed, memory, rounding, and which of CUDA's kernels are deterministic.

How: a place belongs to a storage, not to a tensor, so views and what autograd keeps share it. A
function mode hears what Python asks (devices, `.to`, `.cpu`), a dispatch mode every operation,
those of the backward pass included.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")
aten = torch.ops.aten

WAITS = {  # the device must be asked for a number or a size
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten.unique_dim.default,
    aten._unique2.default,
}
MOVES = {aten.copy_.default, aten._to_copy.default, aten._copy_from.default}
# it writes its running statistics, which its schema does not say
NORM = {aten.native_batch_norm.default: (3, 4)}
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default}


class Gpu:
    """What there is on it, and what has happened.

    Attributes:
        launches: Operations on it by name; views and allocations are none.
        waits: Where Python waited for it: operations by name.
        graph: The one that is being captured, or None.
    """

    def __init__(self) -> None:
        self.launches: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.graph: Graph | None = None
        self._there: dict[int, StorageWeakRef] = {}

    def put(self, tensor: torch.Tensor) -> torch.Tensor:
        """Have a tensor's storage be on the GPU."""
        storage = tensor.untyped_storage()
        # the weak reference keeps the address from being used again
        self._there.setdefault(storage._cdata, StorageWeakRef(storage))
        return tensor

    def has(self, tensor: torch.Tensor) -> bool:
        """Say whether a tensor is on the GPU."""
        return tensor.untyped_storage()._cdata in self._there


class Graph:
    """`torch.cuda.CUDAGraph`: operations and the very tensors that they read and write."""

    gpu: Gpu

    def __init__(self) -> None:
        self.recorded: list[tuple] = []
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self.own: set[int] = set()

    def replay(self) -> None:
        """Do it all again."""
        if not self.recorded:
            raise RuntimeError("nothing was captured")
        with torch.no_grad(), torch._C._AutoDispatchBelowAutograd(), _disabled():
            for operation, args, kwargs, outputs in self.recorded:
                new = tree_flatten(operation(*args, **kwargs))[0]
                for old, one in zip(outputs, new, strict=True):
                    if old is not None and old is not one:
                        old.copy_(one)
        self.gpu.launches["graph"] += 1

    def pool(self) -> object:
        """Name its memory."""
        return self


@contextmanager
def _disabled() -> Iterator[None]:
    with torch._C._DisableTorchDispatch():
        yield


class _Capture:
    """`torch.cuda.graph(...)`: what happens inside is written down and undone."""

    def __init__(self, graph: Graph, **_: object) -> None:
        self.graph = graph

    def __enter__(self) -> None:
        if self.graph.gpu.graph is not None:
            raise RuntimeError("another graph is being captured")
        self.random = torch.get_rng_state()
        self.graph.gpu.graph = self.graph

    def __exit__(self, *_: object) -> None:
        self.graph.gpu.graph = None
        with _disabled():
            for storage, content in self.graph.before.values():
                storage.copy_(content)
        torch.set_rng_state(self.random)
        self.graph.before.clear()


class _Stream:
    """A stream: here all is in order anyway."""

    def wait_stream(self, other: "_Stream") -> None:
        del other

    def synchronize(self) -> None:
        pass


class _Said(TorchFunctionMode):
    """Hears what Python asks of tensors."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        first = args[0] if args else None
        if name == "__get__" and isinstance(first, torch.Tensor):
            what = getattr(getattr(function, "__self__", None), "__name__", "")
            if what == "device":
                return CUDA if self.gpu.has(first) else function(*args, **kwargs)
            if what == "is_cuda":
                return self.gpu.has(first)
            if what == "is_cpu":
                return not self.gpu.has(first)
        if name in ("numpy", "__array__") and self.gpu.has(first):
            raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu()")
        if name == "data_ptr" and self.gpu.has(first):
            raise RuntimeError("the address of a tensor on a GPU is of no use here")
        if name == "cpu":
            return self._moved(first, CPU)
        if name == "cuda":
            return self._moved(first, CUDA)
        if name == "to" and isinstance(first, torch.Tensor):
            return self._to(first, args[1:], kwargs)
        kwargs.pop("pin_memory", None)
        asked = kwargs.get("device")
        if asked is None:
            return function(*args, **kwargs)
        on_gpu = torch.device(asked).type == "cuda"
        if on_gpu:
            kwargs["device"] = CPU
        made = function(*args, **kwargs)
        for tensor in tree_flatten(made)[0]:
            if isinstance(tensor, torch.Tensor) and on_gpu:
                self.gpu.put(tensor)
                self.gpu.launches[name] += 1
        return made

    def _to(self, tensor, args, kwargs):
        where = self._place(tensor)
        rest = []
        for argument in args:
            if isinstance(argument, torch.Tensor):
                where, rest = self._place(argument), [*rest, argument.dtype]
            elif isinstance(argument, (str, torch.device, int)) and not isinstance(argument, bool):
                where = torch.device(argument)
            elif argument is not None or rest:
                rest.append(argument)
        if kwargs.get("device") is not None:
            where = torch.device(kwargs.pop("device"))
        kwargs.pop("device", None)
        changed = tensor.to(CPU, *_with_type(rest), **kwargs)
        return self._moved(changed, where)

    def _place(self, tensor):
        return CUDA if self.gpu.has(tensor) else CPU

    def _moved(self, tensor, where):
        if self._place(tensor).type == where.type:
            return tensor
        if self.gpu.graph is not None:
            raise RuntimeError("a copy between devices while a graph is captured")
        if where.type == "cpu":
            self.gpu.waits["to the CPU"] += 1
        else:
            self.gpu.launches["to the GPU"] += 1
        # a storage of its own; below the dispatch mode, for a clone stays where its source is
        with _disabled():
            copy = tensor.clone()
        return self.gpu.put(copy) if where.type == "cuda" else copy


class _Done(TorchDispatchMode):
    """Hears every operation."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # it would import torch's compiler: five seconds

    def __init__(self, gpu: Gpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        inputs = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
        there = [self.gpu.has(x) for x in inputs]
        if not any(there):
            if self.gpu.graph is not None and inputs:
                raise RuntimeError(f"{operation} on the CPU while a graph is captured")
            return operation(*args, **kwargs)
        self._refuse_mixture(operation, args, inputs, there)
        self._note_waits(operation, args)
        graph = self.gpu.graph
        if graph is not None:
            self._keep(graph, operation, args, kwargs)
        made = operation(*args, **kwargs)
        flat = tree_flatten(made)[0]
        outputs = [x for x in flat if isinstance(x, torch.Tensor)]
        if operation is not aten._local_scalar_dense.default:
            for tensor in outputs:
                self.gpu.put(tensor)
        ours = {x.untyped_storage()._cdata for x in inputs}
        is_view = (
            bool(outputs)
            and not operation._schema.is_mutable
            and all(x.untyped_storage()._cdata in ours for x in outputs)
        )
        if not is_view:
            self.gpu.launches[str(operation)] += 1
        if graph is not None and not is_view:
            mutated = {id(x) for x in inputs}
            graph.recorded.append(
                (
                    operation,
                    args,
                    kwargs,
                    [
                        x if isinstance(x, torch.Tensor) and id(x) not in mutated else None
                        for x in flat
                    ],
                )
            )
        if graph is not None:
            graph.own.update(x.untyped_storage()._cdata for x in outputs)
        return made

    def _refuse_mixture(self, operation, args, inputs, there):
        for tensor, is_there in zip(inputs, there, strict=True):
            if is_there or operation in MOVES:
                continue
            if self.gpu.graph is not None:
                raise RuntimeError(f"{operation} reads the CPU's memory while a graph is captured")
            first = tree_flatten(args[:1])[0]
            written = operation._schema.is_mutable and any(tensor is x for x in first)
            many = any(word in str(operation) for word in ("foreach", "fused"))
            if tensor.dim() == 0 and not written and not many:
                continue  # a number, as far as CUDA is concerned
            if operation in INDEXED and any(tensor is x for x in tree_flatten(args[1])[0]):
                self.gpu.waits["an index from the CPU"] += 1
                continue
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, "
                f"cuda:0 and cpu! ({operation}, the CPU's is {tuple(tensor.shape)})"
            )

    def _note_waits(self, operation, args):
        waits = operation in WAITS or (
            operation in INDEXED
            and any(
                isinstance(x, torch.Tensor) and x.dtype in (torch.bool, torch.uint8)
                for x in tree_flatten(args[1])[0]
            )
        )
        if waits:
            if self.gpu.graph is not None:
                raise RuntimeError(f"{operation} waits for the device while a graph is captured")
            self.gpu.waits[str(operation)] += 1

    def _keep(self, graph, operation, args, kwargs):
        """Keep what an operation is about to overwrite, so that a capture can be undone."""
        for place, argument in enumerate(operation._schema.arguments):
            written = argument.alias_info is not None and argument.alias_info.is_write
            if not written and place not in NORM.get(operation, ()):
                continue
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            for tensor in tree_flatten(value)[0]:
                if not isinstance(tensor, torch.Tensor):
                    continue
                storage = tensor.untyped_storage()
                if storage._cdata not in graph.before and storage._cdata not in graph.own:
                    with _disabled():
                        graph.before[storage._cdata] = (storage, storage.clone())


def _with_type(rest: list) -> list:
    return rest if rest and isinstance(rest[0], torch.dtype) else [None, *rest]


@contextmanager
def gpu() -> Iterator[Gpu]:
    """Have a GPU, as far as Python can tell."""
    there = Gpu()

    class Bound(Graph):
        gpu = there

    stream = _Stream()
    real_autocast = torch.autocast

    def autocast(device_type: str, *args, **kwargs):
        return real_autocast("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    with ExitStack() as stack:
        for name, value in {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "get_device_name": lambda *_: "pretended",
            "get_device_capability": lambda *_: (9, 0),
            "current_stream": lambda *_: stream,
            "synchronize": lambda *_: None,
            "Stream": _Stream,
            "CUDAGraph": Bound,
            "graph": _Capture,
        }.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value))

        @contextmanager
        def on(_: object) -> Iterator[None]:
            yield

        def grouped(parts: list, *_: object) -> dict:
            return {(CUDA, None): (parts, None)}  # torch asks its storages, which do not pretend

        by_device = "_group_tensors_by_device_and_dtype"
        stack.enter_context(mock.patch.object(torch.optim.Optimizer, by_device, grouped))
        stack.enter_context(mock.patch.object(torch.cuda, "stream", on))
        stack.enter_context(mock.patch.object(torch, "autocast", autocast))
        stack.enter_context(_Done(there))
        stack.enter_context(_Said(there))
        yield there
