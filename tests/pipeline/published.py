"""What MLflow holds of the tiny experiment, and whether it is all there, once."""

import json
import shutil
from typing import Any

from mlflow.entities import Run

from pipeline import evaluate, plot, register
from pipeline.stage import paths
from pipeline.tracking.store import Store
from tests.pipeline.experiment import load_params, write_experiment


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


def publish_another() -> None:
    """Another experiment: the same model, otherwise evaluated."""
    other = load_params({"evaluate.lpips": False})
    for stage in (evaluate, plot, register):
        stage.main(other)


def all_runs(store: Store) -> list[Run]:
    """The runs of its MLflow experiment."""
    return list(store.client.search_runs([store.experiment_id]))


def versions(store: Store, name: str = "srcnn") -> list[Any]:
    """The versions of the registered model."""
    return list(store.client.search_model_versions(f"name = '{name}'"))


def points(store: Store, run: Run, metric: str) -> list[tuple[int, float]]:
    """Steps and values of a metric's points."""
    history = store.client.get_metric_history(run.info.run_id, metric)
    return sorted((point.step, point.value) for point in history)


def check_whole(store: Store, run: Run, name: str = "srcnn") -> None:
    """The run and its model, which is registered under a name, have everything, once."""
    assert run.info.status == "FINISHED"
    assert points(store, run, "val/psnr") == [(0, 28.5), (10, 30.1)]
    assert points(store, run, "train/loss") == [(5, 0.0018), (10, 0.0015)]
    evaluation = json.loads(paths.EVALUATION.read_text())
    for measure in ("psnr", "ssim_bicubic"):
        (point,) = store.client.get_metric_history(run.info.run_id, f"test/{measure}")
        assert point.value == evaluation[measure]
    assert {"train.patch_size": "24", "evaluate.lpips": "auto"}.items() <= run.data.params.items()
    there = [file.path for file in store.client.list_artifacts(run.info.run_id)]
    assert {"figures", "images", "metrics", "reconstructions", "training.json"} <= set(there)
    (version,) = versions(store, name)
    assert version.run_id == run.info.run_id
    assert run.data.tags["model.version"] == str(version.version)
    champion = store.client.get_model_version_by_alias(name, "champion")
    assert str(champion.version) == str(version.version)
    (model,) = store.client.search_logged_models([store.experiment_id])
    assert (model.model_uri, model.source_run_id) == (version.source, run.info.run_id)
