"""MLflow's store on a full disk, and one that hides an experiment."""

import resource
import shutil
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS

from pipeline.stage import StageError
from pipeline.tracking.store import Store
from srcnn.masking import brief


@contextmanager
def small_disk():
    """No file may become larger than this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_database_without_room_says_so_and_no_more(project, empty_store, capfd):
    (project / "mlflow.db").unlink()
    with (
        small_disk(),
        pytest.raises(StageError, match=r"mlflow\.db cannot be used: .*sqlite3\.OperationalError"),
    ):
        Store("experiment")
    assert not (project / "mlflow.db").exists()

    shutil.copy(empty_store, project)
    store = Store("experiment")
    with small_disk(), pytest.raises(MlflowException) as caught:
        store.open({}, {})
    assert brief(caught.value).startswith("(sqlite3.OperationalError)")
    assert "Traceback" not in capfd.readouterr().err


def test_an_experiment_that_exists_but_is_not_shown_is_named(project, monkeypatch):
    exists = MlflowException("'experiment' already exists", RESOURCE_ALREADY_EXISTS)
    monkeypatch.setattr(MlflowClient, "create_experiment", Mock(side_effect=exists))
    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", Mock(return_value=None))
    with pytest.raises(StageError, match=r"cannot be used: 'experiment' already exists"):
        Store("experiment")
