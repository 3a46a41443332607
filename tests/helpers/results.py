"""Results of an experiment that nobody ran."""

import json

import numpy as np
import pandas as pd

from whitepatch.maps.scores import SCORES
from whitepatch.report import content, overview, page
from whitepatch.report.losses import Losses
from whitepatch.report.numbers import Number, Source
from whitepatch.report.questions import Questions
from whitepatch.report.results import Results
from whitepatch.report.verdicts import judge

CONTROLS = ("brightness", "edges", "blob", "uniform", "perfect", "perfect strips")
GATE = ("patched", "clean", "separation")
ATTENDING = "mha_conv1d"
LOOKING = ("evidence", "attention gate")


def attributions(seed, variant):
    generator = np.random.default_rng([seed, len(variant), 2])
    names = ["trunk Grad-CAM", "trunk length", "input gradient"]
    names += ["attention effective", "value norm"] if variant == ATTENDING else []

    def scored(*more):
        return {
            name: {kind: float(generator.random()) for kind in SCORES} for name in (*names, *more)
        }

    return {
        "num_pictures": 20,
        "trained": scored("input IG grey", "input IG black"),
        "untrained": scored("input IG grey"),
        "redrawn": scored(),
        "completeness": {
            name: {"error": float(generator.random()), "relative": float(generator.random())}
            for name in ("grey", "black")
        },
    }


def numbers(seed, variant):
    generator = np.random.default_rng([seed, len(variant)])
    names = ["evidence", "output 1", "input 1"] + (["attention gate"] if variant == "b" else [])

    attention = {"attention mean": dict.fromkeys(SCORES, 0.625)} if variant == ATTENDING else {}

    def scored():
        return {name: {kind: float(generator.random()) for kind in SCORES} for name in names}

    return {
        "min_train_loss": float(generator.random()),
        "min_test_loss": float(generator.random()),
        "chosen_epoch": 2,
        "test": {"accuracy": float(generator.random()), "auc": 0.5, "loss": 1.5},
        "num_scored": 26,
        "controls": {
            "maps": {name: dict.fromkeys(SCORES, 0.5) for name in CONTROLS},
            "brightest_box_auc": 0.875,
        },
        "maps": scored() | attention,
        "untrained_maps": scored() | attention,
        "clean": {
            name: {it: float(generator.random()) for it in ("brightness", "edges", "blob")}
            for name in names
            if name in LOOKING
        },
        "attributions": attributions(seed, variant),
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
                step: {
                    name: {
                        "correlation": float(generator.random()),
                        "auc": float(generator.random()),
                    }
                    for name in names
                    if name in LOOKING
                }
                for step in ("head", "attention")
            },
        },
    }


def results_of(everything, variants, num_seeds=2):
    metrics = {
        variant: {
            "title": f"<{variant}>",
            "num_parameters": 12345,
            "megaflops": 191.7,
            "mixes_places": False,
            "images": {"words": "crops, a stand-in for STL-10", "stand_in": True},
            "chosen_by": "validation",
            "trained_on": {"device": "cpu", "device_name": "x", "threads": 2, "torch": "2"},
            "num_test_images": 400,
            "seeds": {str(seed): numbers(seed, variant) for seed in range(num_seeds)},
            "emergence": {
                "seed": 0,
                "auc": {name: [0.5, 0.75] for name in LOOKING[: 1 + (variant == "b")]},
            },
        }
        for variant in variants
    }
    published = {"b": {"min_train_loss": 0.25, "min_test_loss": 0.3125}}
    experiment = everything.experiment("demo")
    train = experiment.train.model_copy(update={"seeds": tuple(range(num_seeds))})
    experiment = experiment.model_copy(update={"train": train})
    return Results("demo", experiment, json.loads(json.dumps(metrics)), published)


def histories_of(results, num_epochs=4):
    """Return losses by epoch of as many seeds as there are, drawn at random."""
    generator = np.random.default_rng(5)
    seeds, epochs = range(results.num_seeds), range(1, num_epochs + 1)
    return {
        variant: pd.DataFrame(
            {
                "seed": seed,
                "epoch": epoch,
                "test_loss": generator.random(),
                "validation_loss": generator.random(),
            }
            for seed in seeds
            for epoch in epochs
        )
        for variant in results.metrics
    }


def losses_of(results, **logits):
    """Return losses of 13 images of two subjects; the first, `sky`, has nearly all loss.

    What a variant is given is added to its logits where there is a patch: the more, the better.
    """
    labels = np.arange(13) % 2
    plain = np.where(labels > 0, 3.0, -3.0)
    plain[0] = 30.0

    def saved(variant):
        values = {"logits": plain + logits.get(variant, 0) * labels, "labels": labels}
        values["rows"] = np.arange(13)
        return {name: np.stack([it] * results.num_seeds) for name, it in values.items()}

    subjects = np.array([["sky", "sky", *["cat"] * 11]] * results.num_seeds)
    maps = {variant: saved(variant) for variant in results.metrics}
    return Losses.of(maps, subjects, Source("y.bin", "label"))


def report(results, histories=None, losses=None, brightest=254, figures=()):
    """Return the page of results, with pictures of three bytes."""
    histories = histories or histories_of(results)
    filled = content.content(
        results,
        histories,
        judge(results, histories, losses or losses_of(results)),
        Number.count(brightest, Source("data/split/demo.csv", "image")),
        figures,
        [("a.csv", "split@demo", "0cc1")],
    )
    return page.render("report", filled, lambda _: b"PNG")


def index(*found, missing=None, sweeps=(), titles=None):
    """Return the overview of results and sweeps."""
    questions = Questions({it.name: it for it in sweeps}, titles or {})
    drawn = [name for name in questions.sweeps if name == "size"]
    filled = overview.content(found, missing or {}, drawn, questions, marked=False)
    return page.render("index", filled, lambda _: b"PNG")
