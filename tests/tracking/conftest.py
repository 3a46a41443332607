import pytest


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """A folder with no store yet, and nobody's server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
