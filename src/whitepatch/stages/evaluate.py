"""Evaluate a trained variant: its errors, its maps, and what they do when something is changed."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitepatch import paths
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.files import replacing, write_json
from whitepatch.maps import evaluation
from whitepatch.maps.by_epoch import emerge
from whitepatch.maps.clean_pictures import on_clean
from whitepatch.maps.controls import controls
from whitepatch.maps.evaluation import Truth
from whitepatch.maps.extract import Maps, channel_factors, looking, maps_of
from whitepatch.maps.probes import probe
from whitepatch.models.classifier import Classifier, build, title
from whitepatch.params import load, protocol
from whitepatch.stages import run
from whitepatch.training import history, machine, weights
from whitepatch.training.loop import predict

Arrays = dict[str, NDArray[Any]]
"""By name, one number or map an image."""


def main(name: str, variant: str) -> None:
    """Write the numbers of every seed, and its maps, scores and predictions image by image."""
    params = load()
    experiment, variant = params.experiment(name), params.variant(name, variant)
    device = machine.prepare(experiment.runtime.model_copy(update={"precision": "fp32"}))
    raw, score = paths.raw(experiment.source), experiment.score
    shown = slice(score.first, score.first + score.images)
    record = json.loads(paths.training_record(name, variant).read_text(encoding="utf-8"))
    smallest = history.smallest_losses(paths.history(name, variant))
    seeds = experiment.train.seeds

    numbers: dict[str, Any] = {}
    arrays: list[Arrays] = []
    for seed in seeds:
        test = manifest.load(paths.split(name), raw, seed, "test")["test"]
        images = DeviceImages.of(test, experiment.patch, experiment.pixels, device)
        scored = images.part(shown.start, shown.stop)
        if seed == seeds[0]:
            epochs = weights.epochs(name, variant, experiment.train.epochs, device)
            emergence = emerge(build(variant, seed).to(device), epochs, scored)
        network = weights.network(name, variant, seed, device)
        untrained = maps_of(build(variant, seed).to(device), scored)
        logits = predict(network, images, "fp32")
        control = controls(scored)
        truth = Truth.of(scored)
        found, seen = _looked_at(network, scored, untrained, control)
        # the next seed's weights have nothing to do with this one's
        fresh = build(variant, seed + 1).to(device)
        probed = probe(network, fresh, scored, score)
        numbers[str(seed)] = {
            **smallest[seed],
            "chosen_epoch": record["chosen_epoch"][str(seed)],
            "test": evaluation.classification(logits, images.labels),
            "num_scored": int(truth.patched.sum()),
            **found,
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
        arrays.append(answer | seen | probes)

    num_parameters = sum(weight.numel() for weight in network.parameters())
    write_json(
        paths.metrics(name, variant),
        {
            "experiment": name,
            "variant": variant,
            "title": title(variant),
            "num_parameters": num_parameters,
            "images": json.loads(paths.origin(name).read_text(encoding="utf-8")),
            "protocol": protocol(experiment),
            "chosen_by": record["chosen_by"],
            **{key: record[key] for key in record if key.startswith("trained_")},
            "evaluated_on": machine.environment(device),
            "num_test_images": len(images),
            "seeds": numbers,
            "emergence": {"seed": seeds[0], "auc": emergence.aucs},
        },
    )
    with replacing(paths.maps(name, variant)) as temporary:
        np.savez_compressed(
            temporary,
            allow_pickle=False,
            seeds=np.array(seeds),
            scored=np.arange(shown.start, shown.stop),
            **{key: np.stack([array[key] for array in arrays]) for key in arrays[0]},
            **{f"epochs/{key}": values for key, values in emergence.maps.items()},
        )


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
    for key, kinds in scores.items():
        arrays |= {f"score/{key}/{kind}": _on_all(it, truth.patched) for kind, it in kinds.items()}
    arrays |= {f"clean/{key}": values for key, values in clean.means.items()}
    return numbers, arrays if gates is None else arrays | {"gate/channel": gates}


def _on_all(values: NDArray[Any], patched: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values of the patched images as values of all, NaN where there is no patch."""
    found = np.full(patched.shape, np.nan, values.dtype)
    found[patched] = values
    return found


if __name__ == "__main__":
    run(main)
