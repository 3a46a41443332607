import shutil

import pytest
from helpers import published  # noqa: F401 -- MLflow is imported without its warnings

from whitepatch import paths
from whitepatch.tracking import store


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """A store of MLflow with nothing in it, which takes seconds to make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tables").resolve())
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.client().search_experiments(max_results=1)
        return (paths.MLFLOW / "mlflow.db").absolute()


@pytest.fixture(autouse=True)
def fresh(tables, tmp_path, monkeypatch):
    """Stand in a folder with an empty store of its own, and no server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths.MLFLOW.mkdir()
    shutil.copy(tables, paths.MLFLOW)
