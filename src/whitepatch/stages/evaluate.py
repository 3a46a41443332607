"""Evaluate a trained variant: its errors, its maps, and what they do when something is changed."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from whitepatch import evaluation, params, paths, runtime, sources
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.evaluation import Truth
from whitepatch.files import replacing, write_json
from whitepatch.maps import controls, maps_of
from whitepatch.models.classifier import build, title
from whitepatch.params import protocol
from whitepatch.probes import probe
from whitepatch.stages import run
from whitepatch.training import predict


def main(name: str, variant: str) -> None:
    """Write the numbers of every seed, and its maps, scores and predictions image by image."""
    everything = params.load()
    experiment, variant = everything.experiment(name), everything.variant(variant)
    device = runtime.prepare(everything.runtime.model_copy(update={"precision": "fp32"}))
    test = manifest.load(paths.split(name), paths.raw(experiment.source), "test")["test"]
    images = DeviceImages.of(test, experiment.patch, experiment.pixels, device)
    shown = slice(experiment.score.first, experiment.score.first + experiment.score.images)
    scored = images.part(shown.start, shown.stop)
    truth = Truth.of(scored)
    record = json.loads(paths.training_record(name, variant).read_text(encoding="utf-8"))
    smallest = _smallest_losses(paths.history(name, variant))

    seeds: dict[str, Any] = {}
    arrays: list[dict[str, NDArray[Any]]] = []
    for seed in experiment.train.seeds:
        network = build(variant, seed).to(device)
        untrained = evaluation.map_scores(maps_of(network, scored), truth)
        network.load_state_dict(load_file(paths.weights(name, variant, seed), str(device)))
        logits = predict(network, images, "fp32")
        maps = maps_of(network, scored)
        scores = evaluation.map_scores(maps, truth)
        # the next seed's weights have nothing to do with this one's
        fresh = build(variant, seed + 1).to(device)
        probed = probe(network, fresh, scored, experiment.score)
        seeds[str(seed)] = {
            **smallest[seed],
            "chosen_epoch": record["chosen_epoch"][str(seed)],
            "test": evaluation.classification(logits, images.labels),
            "maps": evaluation.means(scores),
            "untrained_maps": evaluation.means(untrained),
            "probes": probed.numbers,
        }
        arrays.append(
            {"logits": logits.cpu().numpy()}
            | {f"probe/{key}": values for key, values in probed.arrays.items()}
            | {f"map/{key}": values for key, values in maps.items()}
            | {
                f"score/{key}/{kind}": values
                for key, kinds in scores.items()
                for kind, values in kinds.items()
            }
        )

    control = evaluation.map_scores(controls(scored), truth)
    num_parameters = sum(weight.numel() for weight in network.parameters())
    write_json(
        paths.metrics(name, variant),
        {
            "experiment": name,
            "variant": variant,
            "title": title(variant),
            "num_parameters": num_parameters,
            "images": asdict(sources.find(experiment.source).describe(everything)),
            "protocol": protocol(experiment),
            "chosen_by": record["chosen_by"],
            "trained_on": record["trained_on"],
            "num_test_images": len(images),
            "num_scored_images": int(truth.patched.sum()),
            "seeds": seeds,
            "controls": {
                "maps": evaluation.means(control),
                "brightest_box_auc": evaluation.brightest_box_auc(images),
            },
        },
    )
    with replacing(paths.maps(name, variant)) as temporary:
        np.savez_compressed(
            temporary,
            allow_pickle=False,
            seeds=np.array(experiment.train.seeds),
            rows=test.rows,
            labels=test.plan.labels,
            tops=test.plan.tops,
            lefts=test.plan.lefts,
            scored=np.arange(shown.start, shown.stop),
            pictures=scored.batch(scored.first(experiment.score.panel))[0].cpu().numpy(),
            **{key: np.stack([array[key] for array in arrays]) for key in arrays[0]},
        )


def _smallest_losses(history: Path) -> dict[int, dict[str, float]]:
    """Return the article's two numbers for each seed: the smallest losses over epochs."""
    with history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        seed: {
            f"min_{split}_loss": min(
                float(row[f"{split}_loss"]) for row in rows if int(row["seed"]) == seed
            )
            for split in ("train", "test")
        }
        for seed in dict.fromkeys(int(row["seed"]) for row in rows)
    }


if __name__ == "__main__":
    run(main)
