"""What holds for all tests."""

import os

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_store_of_other_tests() -> None:
    """`mlflow.set_tracking_uri` puts its store into the environment, where it outlives a test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)
