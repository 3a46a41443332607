"""What MLflow is to show, without a pipeline; with one: tests/test_pipeline.py."""

import numpy as np
import pytest

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
