"""Results of an experiment that nobody ran."""

import json

import numpy as np

from whitepatch.maps.scores import SCORES
from whitepatch.report.results import Results

CONTROLS = ("brightness", "edges", "blob", "uniform", "perfect", "perfect strips")
GATE = ("patched", "clean", "separation")
LOOKING = ("evidence", "attention gate")


def numbers(seed, variant):
    generator = np.random.default_rng([seed, len(variant)])
    names = ["evidence", "output 1", "input 1"] + (["attention gate"] if variant == "b" else [])

    def scored():
        return {name: {kind: float(generator.random()) for kind in SCORES} for name in names}

    return {
        "min_train_loss": float(generator.random()),
        "min_test_loss": float(generator.random()),
        "chosen_epoch": 2,
        "test": {"accuracy": float(generator.random()), "auc": 0.5, "loss": 1.5},
        "maps": scored(),
        "untrained_maps": scored(),
        "clean": {
            name: {it: float(generator.random()) for it in ("brightness", "edges", "blob")}
            for name in names
            if name in LOOKING
        },
        "channel_gate": {name: float(generator.random()) for name in GATE}
        if variant in ("b", "cbam")
        else None,
        "probes": {
            "occlusion": {
                name: float(generator.normal()) for name in ("hidden", "elsewhere", "removed")
            },
            "moved": {"found": float(generator.random()), "found_at_worst_place": 0.25},
            "distractor": {
                name: {"fooled": 0.125, "logit_rise": -1.5, "maps": scored()}
                for name in ("black", "grey")
            },
            "randomised": {
                step: {"evidence": {"correlation": float(generator.random()), "auc": 0.5}}
                for step in ("head", "conv 1")
            },
        },
    }


def results_of(everything, variants, num_seeds=2):
    metrics = {
        variant: {
            "title": f"<{variant}>",
            "num_parameters": 12345,
            "images": {"words": "crops, a stand-in for STL-10", "stand_in": True},
            "chosen_by": "validation",
            "trained_on": {"device": "cpu", "device_name": "x", "threads": 2, "torch": "2"},
            "num_test_images": 400,
            "num_scored_images": 26,
            "seeds": {str(seed): numbers(seed, variant) for seed in range(num_seeds)},
            "emergence": {
                "seed": 0,
                "auc": {name: [0.5, 0.75] for name in ("evidence", "attention gate")},
            },
            "controls": {
                "maps": {name: dict.fromkeys(SCORES, 0.5) for name in CONTROLS},
                "brightest_box_auc": 0.875,
            },
        }
        for variant in variants
    }
    published = {"b": {"min_train_loss": 0.25, "min_test_loss": 0.3125}}
    experiment = everything.experiment("demo")
    return Results("demo", experiment, json.loads(json.dumps(metrics)), published)
