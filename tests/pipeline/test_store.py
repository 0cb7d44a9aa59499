"""MLflow's store where it cannot be made."""

import resource

import pytest

from pipeline.project import StageError
from pipeline.tracking import Store


@pytest.fixture
def small_disk():
    """No file may become larger than this, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_database_that_cannot_be_created_says_why(project, small_disk):
    with pytest.raises(StageError, match=r"mlflow\.db cannot be used: .*sqlite3\.OperationalError"):
        Store("experiment")
    assert not (project / "mlflow.db").exists()
