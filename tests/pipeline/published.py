"""What MLflow holds of the tiny experiment, and whether it is all there, once."""

import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking._tracking_service import utils

from pipeline import evaluate, plot, register
from pipeline.stage import paths
from pipeline.stage.record import Evaluated
from pipeline.tracking.store import Store
from tests.pipeline.experiment import load_params, write_experiment
from tests.support.published import wrong

ODD = "o?d #1%41 é&=;"  # what a URL would take for something else


def publish(weight: float, seed: int = 0) -> None:
    """An experiment with such a perceptual weight, from its results to MLflow.

    Args:
        weight: in its parameters.
        seed: of its network's weights.
    """
    params = load_params({"evaluate.lpips": False, "loss.perceptual_weight": weight})
    for folder in ("data", "models", "metrics"):
        shutil.rmtree(folder, ignore_errors=True)
    write_experiment(test_pictures=12, params=params, seed=seed)
    for stage in (evaluate, plot, register):
        stage.main(params)


def publish_another(promote: bool = False) -> None:
    """Another experiment: the same model, otherwise evaluated."""
    evaluated = Evaluated.read(paths.EVALUATED)
    evaluated.params["evaluate.lpips"] = False
    evaluated.write(paths.EVALUATED)
    register.main(load_params({"tracking.promote": promote}))


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Go there, as a new process: MLflow keeps its store in the environment, places in memory."""
    patch.chdir(folder)
    patch.setattr(utils, "_artifact_repos_cache", OrderedDict())
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        patch.delenv(name, raising=False)


def all_runs(store: Store) -> list[Run]:
    """The runs of its MLflow experiment."""
    return list(store.client.search_runs([store.experiment_id]))


def versions(store: Store, name: str = "srcnn") -> list[Any]:
    """The versions of the registered model."""
    return list(store.client.search_model_versions(f"name = '{name}'"))


def check_whole(store: Store, run: Run, name: str = "srcnn") -> None:
    """The run and its model, which is registered under a name, have everything, once."""
    found = wrong(store.client, run, name)
    assert not found, found
    assert {"train.patch_size": "24", "evaluate.lpips": "auto"}.items() <= run.data.params.items()
