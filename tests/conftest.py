"""What holds for all tests."""

import os
from pathlib import Path

import pytest

from srcnn.openmp import spin_briefly

spin_briefly()  # as stages and commands do, before PyTorch is loaded

SURROUNDINGS = ("DVC_ROOT", "MLFLOW_TRACKING_URI", "DVC_EXP_NAME")


@pytest.fixture(autouse=True, scope="module")
def no_store_of_other_tests() -> None:
    """`mlflow.set_tracking_uri` puts its store into the environment, where it outlives a test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """MLflow's database with all its tables, whose creation takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    (folder / ".dvc").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in SURROUNDINGS:
            patch.delenv(name, raising=False)
        from pipeline.tracking.store import Store

        Store("unused")
    return folder / "mlflow.db"
