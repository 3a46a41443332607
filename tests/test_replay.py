"""What MLflow is to show, without a pipeline; with one: tests/test_pipeline.py."""

import numpy as np

from whitepatch import replay


def test_a_model_always_has_two_pictures_to_try_it_on():
    pictures = np.arange(3 * 3 * 5 * 7, dtype=np.float32).reshape(3, 3, 5, 7)
    np.testing.assert_array_equal(replay._several(pictures), pictures[:2])
    (first, second) = replay._several(pictures[:1])
    np.testing.assert_array_equal(first, pictures[0])
    np.testing.assert_array_equal(second, pictures[0])
    assert replay._several(pictures).dtype == np.float32
