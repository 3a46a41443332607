import pytest
from helpers.results import results_of


@pytest.fixture
def results(everything):
    return results_of(everything, ("aa", "b"))
