"""What MLflow is to show, without a pipeline; with one: tests/test_pipeline.py."""

import json

import numpy as np
import pandas as pd
import pytest

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.params import of_protocol, protocol
from whitepatch.tracking import replay


def test_an_experiment_is_what_its_protocol_and_its_seeds_say(everything):
    for experiment in everything.experiments.values():
        listed = experiment.variants, experiment.train.seeds
        assert of_protocol(protocol(experiment), *listed) == experiment
    older = protocol(experiment) | {"patch": {"size": 16}}
    with pytest.raises(UserError, match=r"^these are results of another version .*: dvc repro$"):
        of_protocol(older, ["cnn"], [0])


def test_a_model_always_has_two_pictures_to_try_it_on():
    pictures = np.arange(3 * 3 * 5 * 7, dtype=np.float32).reshape(3, 3, 5, 7)
    np.testing.assert_array_equal(replay._several(pictures), pictures[:2])
    (first, second) = replay._several(pictures[:1])
    np.testing.assert_array_equal(first, pictures[0])
    np.testing.assert_array_equal(second, pictures[0])
    assert replay._several(pictures).dtype == np.float32


def test_a_summary_has_the_first_number_of_every_claim(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.report("x").mkdir(parents=True)
    numbers = [{"value": 0.5, "low": 0.25, "high": 0.75}, {"value": 7.0, "low": 6.0, "high": 8.0}]
    claims = {"claims": [{"id": "6 as stated", "statements": numbers}]}
    (paths.report("x") / "claims.json").write_text(json.dumps(claims), encoding="utf-8")
    row = {"variant": "cnn", "measure": "auc", "mean": 0.9, "low": np.nan, "high": np.nan}
    assert replay._totals("x", pd.DataFrame([row])) == {
        "summary/cnn auc": 0.9,
        "claim/6 as stated": 0.5,
        "interval of claim/6 as stated low": 0.25,
        "interval of claim/6 as stated high": 0.75,
    }
