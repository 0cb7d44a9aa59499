"""What holds for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from srcnn.openmp import prepare_threads

prepare_threads()  # as stages and commands do, before PyTorch is loaded

import torch  # noqa: E402

SURROUNDINGS = ("DVC_ROOT", "MLFLOW_TRACKING_URI", "DVC_EXP_NAME")
THREADS = torch.get_num_threads()

# The longest files, so that none is left for the end. The second needs no finished clone, which the
# first makes meanwhile.
FIRST = (
    "test_experiments.py",
    "test_processes.py",
    "test_clones.py",
    "test_interruptions.py",
    "test_demo_page.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the others stay in their order."""
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(FIRST)))


@pytest.fixture(autouse=True, scope="module")
def no_store_of_other_tests() -> None:
    """`mlflow.set_tracking_uri` puts its store into the environment, where it outlives a test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of pytest's workers have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def empty_store(shared: Path) -> Path:
    """MLflow's database with all its tables, whose creation takes seconds."""
    folder = shared / "store"
    with FileLock(shared / "store.lock"), pytest.MonkeyPatch.context() as patch:
        if not folder.exists():
            (folder / ".dvc").mkdir(parents=True)
            patch.chdir(folder)
            for name in SURROUNDINGS:
                patch.delenv(name, raising=False)
            from pipeline.tracking.store import Store

            Store("unused")
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def whole_project(shared: Path) -> Path:
    """A small project with the results of all stages before `register`, to be copied."""
    folder = shared / "small"
    with FileLock(shared / "small.lock"), pytest.MonkeyPatch.context() as patch:
        if not (folder / "figures").exists():
            from tests.support import small_project

            small_project.make(folder)
            small_project.enter(folder, patch)
            small_project.run_stages()
    return folder


@pytest.fixture(autouse=True)
def pytorch_as_before() -> Iterator[None]:
    """Stages set how many threads it uses, and that it is deterministic."""
    yield
    torch.set_num_threads(THREADS)
    torch.set_deterministic_debug_mode("default")
