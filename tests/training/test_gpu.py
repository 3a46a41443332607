"""What a GPU would refuse, or do otherwise, seen without one: `helpers.pretend` tells how."""

import contextlib
from functools import partial

import numpy as np
import pytest
import torch
from helpers import pretend
from helpers.pictures import images_of
from helpers.training import orders, small

from whitepatch.cells.filling import at_once, fill
from whitepatch.cells.store import Store
from whitepatch.maps.extract import maps_of
from whitepatch.maps.probes import probe
from whitepatch.models.classifier import build
from whitepatch.params import Params, Runtime, Score
from whitepatch.training import adam, loop, machine, step
from whitepatch.training.adam import Adam
from whitepatch.training.loop import Training, train
from whitepatch.training.step import Step

CUDA = torch.device("cuda")
VARIANTS = (
    "cnn",
    "mha_linear",
    "mha_conv1d",
    "cbam",
    "mha_linear_tokens",
    "cbam_spatial",
    "mha_linear_positions",
)
MANY = [  # one in `make test`, all in `make check`
    pytest.param(it, marks=[] if it == "mha_linear_positions" else pytest.mark.pipeline)
    for it in VARIANTS
]

pytestmark = pytest.mark.usefixtures("torch_as_before")


@contextlib.contextmanager
def a_gpu():
    """Pretend one; nothing that was made on it, or is known of it, outlives it."""
    made_once = (machine._why_no_cuda, step._aside)
    for function in made_once:
        function.cache_clear()
    with pretend.gpu() as gpu:
        yield gpu
    for function in made_once:
        function.cache_clear()


def where(graph):
    return Runtime(device="cuda", threads=1, precision="fp32", cuda_graph=graph)


def twelve_steps(everything, variant, *, graph):
    """Learn from batches of 3, each third time of 2, at ever other rates."""
    torch.manual_seed(0)
    images = images_of(7, 1, CUDA)
    network = build(variant, 0).to(CUDA).train()
    optimizer = Adam(network.parameters())
    protocol = everything.experiment("demo").train.model_copy(update={"batch_size": 3})
    once = Step(network, optimizer, images, protocol, where(graph))
    said = []
    for turn in range(12):
        index = torch.tensor([(turn + i) % 7 for i in range(3 if turn % 3 else 2)], device=CUDA)
        said.append(once(index, 0.001 * (turn + 1)).tolist())
    state = network.state_dict() | optimizer.state()
    return said, {name: tensor.cpu() for name, tensor in state.items()}


def a_graph_equals_ordinary_steps(everything, variant):
    """Losses, weights, running statistics and the optimizer's state, bit for bit."""
    with a_gpu():
        plain, state = twelve_steps(everything, variant, graph=False)
    with a_gpu() as gpu:
        replayed, other = twelve_steps(everything, variant, graph=True)
    assert gpu.launches["graph"] == 8 - 3, "three come before, and short batches are none"
    assert replayed == plain
    for name, tensor in state.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_graph_does_what_ordinary_steps_do_on_a_gpu(everything, variant):
    machine.prepare(where(graph=True))
    plain, state = twelve_steps(everything, variant, graph=False)
    replayed, other = twelve_steps(everything, variant, graph=True)
    assert replayed == plain
    for name, tensor in state.items():
        assert torch.equal(tensor, other[name]), name


def an_epoch_waits_at_its_end(everything, *, graph):
    """For its steps' losses, and two numbers of each held-out split."""
    protocol = everything.experiment("demo").train.model_copy(update={"epochs": 1})
    with a_gpu() as gpu:
        training = Training.start("mha_linear_positions", 0, CUDA)
        splits = {"train": images_of(60, 1, CUDA), "validation": images_of(20, 2, CUDA)}
        gpu.waits.clear()
        nothing = {"after_epoch": lambda _: None, "after_batch": lambda _: None}
        train(training, 0, splits, protocol, where(graph), **nothing)
        assert sum(gpu.waits.values()) == 1 + 2, gpu.waits


def maps_and_probes_are_the_cpus(variant):
    score = Score(first=0, images=12, panel=2, movers=2, grid=2)
    found = []
    for device in (torch.device("cpu"), CUDA):
        with a_gpu():
            images, network = images_of(12, 3, device), build(variant, 0).to(device)
            shown = maps_of(network, images)
            probed = probe(network, build(variant, 1).to(device), images, score)
        found.append(shown | probed.arrays)
    for name, values in found[0].items():
        assert np.array_equal(values, found[1][name]), name


@pytest.mark.parametrize("variant", MANY)
def test_a_graph_does_what_ordinary_steps_do(everything, variant):
    a_graph_equals_ordinary_steps(everything, variant)


@pytest.mark.parametrize("graph", [False, True])
def test_an_epoch_waits_only_at_its_end(everything, graph):
    an_epoch_waits_at_its_end(everything, graph=graph)


@pytest.mark.parametrize("variant", MANY)
def test_every_map_and_probe(variant):
    maps_and_probes_are_the_cpus(variant)


def on(params: Params, device: str, *, graph: bool) -> Params:
    demo = params.experiments["demo"]
    runtime = demo.runtime.model_copy(update={"device": device, "cuda_graph": graph})
    demo = demo.model_copy(update={"runtime": runtime})
    return params.model_copy(update={"experiments": {"demo": demo}})


@pytest.fixture
def fused(monkeypatch):
    """Let Adam on a CPU compute as on a GPU."""
    plain = Adam.step

    def as_there(self, rate):
        self.on_gpu = True
        plain(self, rate)

    return lambda: monkeypatch.setattr(Adam, "step", as_there)


@pytest.mark.parametrize("variant", MANY)
def test_a_training_is_the_cpus_cut_off_or_not(everything, tmp_path, monkeypatch, fused, variant):
    """Short last batches, a rate that changes, captured or not; as the stage runs it."""
    monkeypatch.chdir(tmp_path)
    params = small(everything)
    fused()
    (order,) = orders(on(params, "cpu", graph=False), variant)
    asked = fill([order], Store(tmp_path / "cpu", 1e9), at_once(1), lambda _: None)[order.key]
    for graph in (False, True):
        for cut in (False, True):
            store = Store(tmp_path / f"{graph}{cut}", 1e9)
            with a_gpu():
                (order,) = orders(on(params, "cuda", graph=graph), variant)
                if cut:
                    with pytest.raises(KeyboardInterrupt):
                        fill([order], store, at_once(1), _interrupt_second_epoch)
                found = fill([order], store, at_once(1), lambda _: None)[order.key]
            assert found.trained_on["device_name"] == "pretended"
            assert found.history == asked.history
            for name, tensor in asked.best.items():
                assert torch.equal(found.best[name], tensor), name


def _interrupt_second_epoch(event):
    _, what, row = event
    if what == "epoch" and row["epoch"] == 2:
        raise KeyboardInterrupt


def order_on_the_cpu(monkeypatch):
    real = loop._order
    monkeypatch.setattr(loop, "_order", lambda *args: real(*args).cpu())


def rate_baked_in(monkeypatch):
    real = Step._run
    monkeypatch.setattr(Step, "_run", lambda self, index, _: real(self, index, 0.001))


def warm_up_done_twice(monkeypatch):
    real = Step._warm_up

    def twice(self, index, rate):
        real(self, index, rate)
        return real(self, index, rate)

    monkeypatch.setattr(Step, "_warm_up", twice)


def item_in_a_step(monkeypatch):
    real = step.loss_of

    def asking(*args):
        loss = real(*args)
        loss.item()
        return loss

    monkeypatch.setattr(step, "loss_of", asking)


def counts_on_the_cpu(monkeypatch):
    real = Adam.__init__

    def here(self, parameters):
        real(self, parameters)
        self.counts = [torch.zeros(()) for _ in self.parameters]

    monkeypatch.setattr(adam.Adam, "__init__", here)


def a_map_not_moved(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: self)


GRAPH = partial(a_graph_equals_ordinary_steps, variant="cnn")
EPOCH = partial(an_epoch_waits_at_its_end, graph=False)


def maps(_):
    maps_and_probes_are_the_cpus("cnn")


@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (order_on_the_cpu, EPOCH),
        (rate_baked_in, GRAPH),
        (warm_up_done_twice, GRAPH),
        (item_in_a_step, GRAPH),
        (item_in_a_step, EPOCH),
        (counts_on_the_cpu, GRAPH),
        (a_map_not_moved, maps),
    ],
)
def test_a_planted_fault_is_seen(everything, monkeypatch, plant, check):
    check(everything)
    plant(monkeypatch)
    with pytest.raises((AssertionError, RuntimeError, TypeError)):
        check(everything)


def test_it_refuses_what_a_gpu_refuses():
    with a_gpu() as gpu:
        there, here = torch.zeros(3, device="cuda"), torch.zeros(3)
        assert there.is_cuda
        assert there[1:].device == torch.device("cuda", 0)
        assert not here.is_cuda
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        with pytest.raises(TypeError, match="numpy"):
            np.asarray(there)
        assert (there + torch.tensor(1.0)).is_cuda, "a number may lie on the CPU"
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            for wrong in (there.sum().item, there.cpu, lambda: there[there > 0], lambda: here + 1):
                with pytest.raises(RuntimeError, match="captured"):
                    wrong()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            double = there * 2
            there += 1
        assert there.tolist() == [0, 0, 0], "a capture does nothing"
        graph.replay()
        there.fill_(5)
        graph.replay()
        assert double.tolist() == [10, 10, 10]
        assert there.tolist() == [6, 6, 6]
        assert gpu.graph is None
