"""MLflow's store on a full disk."""

import resource
from contextlib import contextmanager

import pytest
from mlflow.exceptions import MlflowException

from pipeline.base.project import StageError
from pipeline.tracking.store import Store, brief


@contextmanager
def small_disk():
    """No file may become larger than this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_database_without_room_says_so_and_no_more(project, capfd):
    with (
        small_disk(),
        pytest.raises(StageError, match=r"mlflow\.db cannot be used: .*sqlite3\.OperationalError"),
    ):
        Store("experiment")
    assert not (project / "mlflow.db").exists()

    store = Store("experiment")
    with small_disk(), pytest.raises(MlflowException) as caught:
        store.create({}, {})
    assert brief(caught.value).startswith("(sqlite3.OperationalError)")
    assert "Traceback" not in capfd.readouterr().err
