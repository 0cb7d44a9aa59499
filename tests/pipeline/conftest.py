"""A project to run stages in."""

import pytest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty one, in the current folder, with a store of its own."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
