"""Evaluate a trained variant: its errors, its maps, and what they do when something is changed."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from whitepatch import paths, programs
from whitepatch.cells.filling import num_workers
from whitepatch.cells.worker import Order
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.data.layout import SIDE
from whitepatch.errors import UserError
from whitepatch.files import replacing, write_json
from whitepatch.maps import evaluation
from whitepatch.maps.attributions import BASELINES, attribute
from whitepatch.maps.by_epoch import emerge
from whitepatch.maps.clean_pictures import on_clean
from whitepatch.maps.controls import controls
from whitepatch.maps.evaluation import Truth
from whitepatch.maps.extract import Maps, channel_factors, looking, maps_of
from whitepatch.maps.probes import mixes_places, probe
from whitepatch.models.classifier import Classifier, build, title
from whitepatch.params import load, protocol
from whitepatch.stages import run
from whitepatch.training import history, machine, weights
from whitepatch.training.loop import predict

Arrays = dict[str, NDArray[Any]]
"""By name, one number or map an image."""

ATTRIBUTED = 20
"""Patched pictures of a seed whose decisions are attributed; each takes a hundred gradients."""

Evaluated: TypeAlias = tuple[dict[str, Any], Arrays]
"""The numbers of a seed, and what there is image by image."""


def main(name: str, variant: str) -> None:
    """Write the numbers of every seed, and its maps, scores and predictions image by image."""
    params = load()
    experiment, variant = params.experiment(name), params.variant(name, variant)
    device = machine.prepare(experiment.runtime.model_copy(update={"precision": "fp32"}))
    score, seeds = experiment.score, experiment.train.seeds
    here = machine.environment(device)
    order = Order.of(name, experiment, variant, seeds[0], paths.split(name), here)
    workers = 1 if device.type == "cuda" else params.cells.workers or num_workers([order])
    found = _at_once(name, variant, seeds, min(workers, len(seeds)))
    arrays = [array for _, array in found]

    first = manifest.load(paths.split(name), paths.raw(experiment.source), seeds[0], "test")["test"]
    images = DeviceImages.of(first, experiment.patch, experiment.pixels, device)
    epochs = weights.epochs(name, variant, experiment.train.epochs, device)
    network = build(variant, seeds[0]).to(device)
    emergence = emerge(network, epochs, images.part(score.first, score.first + score.images))
    record = _record(name, variant)
    write_json(
        paths.metrics(name, variant),
        {
            "experiment": name,
            "variant": variant,
            "title": title(variant),
            "num_parameters": sum(weight.numel() for weight in network.parameters()),
            "megaflops": megaflops(network),
            "mixes_places": mixes_places(network),
            "images": json.loads(paths.origin(name).read_text(encoding="utf-8")),
            "protocol": protocol(experiment),
            "chosen_by": record["chosen_by"],
            **{key: record[key] for key in record if key.startswith("trained_")},
            "evaluated_on": here,
            "num_test_images": len(images),
            "seeds": {str(seed): numbers for seed, (numbers, _) in zip(seeds, found, strict=True)},
            "emergence": {"seed": seeds[0], "auc": emergence.aucs},
        },
    )
    with replacing(paths.maps(name, variant)) as temporary:
        np.savez_compressed(
            temporary,
            allow_pickle=False,
            seeds=np.array(seeds),
            scored=np.arange(score.first, score.first + score.images),
            **{key: np.stack([array[key] for array in arrays]) for key in arrays[0]},
            **{f"epochs/{key}": values for key, values in emergence.maps.items()},
        )


def _at_once(name: str, variant: str, seeds: Sequence[int], workers: int) -> list[Evaluated]:
    """Evaluate every seed, so many at once, each in a process of its own; one in this process."""
    one = partial(evaluate_seed, name, variant)
    if workers == 1:
        return [one(seed) for seed in seeds]
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (os.getpid(),))
    try:
        running = [pool.submit(one, seed) for seed in seeds]
        for ended in as_completed(running):
            ended.result()
        return [it.result() for it in running]
    except BaseException as error:
        for process in active_children():  # none but these, and they write nothing
            process.kill()
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                f"one of {workers} evaluations was killed, most likely for want of memory; run "
                "this again with fewer, cells.workers in params.yaml"
            ) from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Begin a worker: Ctrl-C left to its parent, and no life without that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    programs.end_with_parent(parent)


def evaluate_seed(name: str, variant: str, seed: int) -> Evaluated:
    """Return the numbers of a seed, and what there is image by image.

    Args:
        name: Of the experiment.
        variant: Of it.
        seed: Of it.
    """
    experiment = load().experiment(name)
    device = machine.prepare(experiment.runtime.model_copy(update={"precision": "fp32"}))
    raw, score = paths.raw(experiment.source), experiment.score
    test = manifest.load(paths.split(name), raw, seed, "test")["test"]
    images = DeviceImages.of(test, experiment.patch, experiment.pixels, device)
    scored = images.part(score.first, score.first + score.images)
    network = weights.network(name, variant, seed, device)
    # the next seed's weights have nothing to do with this one's
    untrained, fresh = (build(variant, it).to(device) for it in (seed, seed + 1))
    logits = predict(network, images, "fp32")
    control = controls(scored)
    truth = Truth.of(scored)
    found, seen = _looked_at(network, scored, maps_of(untrained, scored), control)
    attributions, attributed = _attributed(network, untrained, fresh, scored)
    probed = probe(network, fresh, scored, score)
    numbers = {
        **history.smallest_losses(paths.history(name, variant))[seed],
        "chosen_epoch": _record(name, variant)["chosen_epoch"][str(seed)],
        "test": evaluation.classification(logits, images.labels),
        "num_scored": int(truth.patched.sum()),
        **found,
        "attributions": attributions,
        "probes": probed.numbers,
        "controls": {
            "maps": evaluation.means(evaluation.map_scores(control, truth)),
            "brightest_box_auc": evaluation.brightest_box_auc(images),
        },
    }
    answer = {
        "logits": logits.cpu().numpy(),
        "rows": test.rows,
        "labels": test.plan.labels,
        "tops": test.plan.tops[:, 0],
        "lefts": test.plan.lefts[:, 0],
        "pictures": scored.batch(scored.first(score.panel))[0].cpu().numpy(),
    }
    probes = {
        f"probe/{key}": _on_all(values, truth.patched) if "occlusion" in key else values
        for key, values in probed.arrays.items()
    }
    return numbers, answer | seen | attributed | probes


def megaflops(network: Classifier) -> float:
    """Return what a picture costs: operations of convolutions and matrix products, in millions.

    A product and its sum are two operations; a training step takes about three times as many.
    """
    counter, device = FlopCounterMode(display=False), network.head.weight.device
    # the fused kernel of attention is not counted, its parts are
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        network.eval()(torch.zeros(1, 3, SIDE, SIDE, device=device))
    return round(counter.get_total_flops() / 1e6, 1)


def _record(name: str, variant: str) -> Any:
    return json.loads(paths.training_record(name, variant).read_text(encoding="utf-8"))


def _looked_at(
    network: Classifier, images: DeviceImages, untrained: Maps, control: Mapping[str, Any]
) -> tuple[dict[str, Any], Arrays]:
    """Return what the maps of one seed say: means for the metrics, and image by image."""
    truth = Truth.of(images)
    maps = maps_of(network, images)
    scores = evaluation.map_scores(maps, truth)
    clean = on_clean(looking(network, images), control, truth.patched)
    gates = channel_factors(network, images)
    numbers = {
        "maps": evaluation.means(scores),
        "untrained_maps": evaluation.means(evaluation.map_scores(untrained, truth)),
        "clean": clean.correlations,
        "channel_gate": None if gates is None else evaluation.channel_gate(gates, truth.patched),
    }
    arrays: Arrays = {f"map/{key}": values for key, values in maps.items()}
    arrays |= _by_image(scores, truth.patched)
    arrays |= {f"clean/{key}": values for key, values in clean.means.items()}
    return numbers, arrays if gates is None else arrays | {"gate/channel": gates}


def _attributed(
    network: Classifier, untrained: Classifier, fresh: Classifier, images: DeviceImages
) -> tuple[dict[str, Any], Arrays]:
    """Return how well attributions of patched pictures point: means, and the trained by image.

    Untrained networks are asked for less of Integrated Gradients, which take longest.
    """
    asked = images.labels > 0
    asked &= asked.cumsum(0) <= ATTRIBUTED
    patched = images.at(asked)
    truth = Truth.of(patched)
    trained = attribute(network, patched, BASELINES)
    others = {"untrained": attribute(untrained, patched, ("grey",))}
    others["redrawn"] = attribute(fresh, patched)
    scores = evaluation.map_scores(trained.maps, truth)
    numbers: dict[str, Any] = {
        "num_pictures": len(patched),
        "trained": evaluation.means(scores),
        "completeness": trained.completeness,
    }
    for who, it in others.items():
        numbers[who] = evaluation.means(evaluation.map_scores(it.maps, truth))
    return numbers, _by_image(scores, asked.cpu().numpy())


def _by_image(scores: evaluation.Scores, scored: NDArray[np.bool_]) -> Arrays:
    return {
        f"score/{name}/{kind}": _on_all(values, scored)
        for name, kinds in scores.items()
        for kind, values in kinds.items()
    }


def _on_all(values: NDArray[Any], scored: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values of the images that were scored as values of all, NaN elsewhere."""
    found = np.full(scored.shape, np.nan, values.dtype)
    found[scored] = values
    return found


if __name__ == "__main__":
    run(main)
