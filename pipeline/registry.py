"""The model of an experiment in MLflow's registry."""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

import srcnn
from pipeline import paths, served_model
from pipeline.tracking import Store

CHAMPION = "champion"
GAIN, DATA, SCALE = "val_psnr_gain", "data", "scale"
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pillow", "safetensors", "scipy", "torch", "tqdm")


def register(store: Store, run_id: str, name: str, tags: dict[str, str]) -> ModelVersion:
    """Log the model to a run and register it, once; move the alias `champion`.

    `champion` is the version with the highest validation gain among those for the same data and
    scale as this one.

    Args:
        store: where the run is.
        run_id: the run that made the model.
        name: the registered model's name.
        tags: of the version; GAIN, DATA and SCALE among them.
    """
    made = _version_of(store.client, run_id, name)
    if made is None:
        made = _log_and_register(store, run_id, name, tags)
    rivals = [
        version
        for version in store.client.search_model_versions(f"name = '{name}'")
        if all(version.tags.get(tag) == tags[tag] for tag in (DATA, SCALE))
    ]
    # of equals the oldest stays
    best = max(rivals, key=lambda rival: (float(rival.tags[GAIN]), -int(rival.version)))
    store.client.set_registered_model_alias(name, CHAMPION, best.version)
    return made


def _version_of(client: MlflowClient, run_id: str, name: str) -> ModelVersion | None:
    found = client.search_model_versions(f"run_id = '{run_id}'")
    return next((version for version in found if version.name == name), None)


def model_arguments(weights: Path) -> dict[str, Any]:
    """The model with these weights, as MLflow logs or saves it."""
    pictures = Schema([ColSpec("string", served_model.COLUMN)])
    return {
        "python_model": served_model.__file__,
        "artifacts": {"weights": str(weights.resolve())},
        "code_paths": [str(Path(srcnn.__file__).parent)],
        "signature": ModelSignature(pictures, pictures),
        "pip_requirements": [f"{package}=={version(package)}" for package in REQUIREMENTS],
    }


def _log_and_register(store: Store, run_id: str, name: str, tags: dict[str, str]) -> ModelVersion:
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri(store.uri)
    with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
        # An example would have MLflow run the model to infer the signature that is given here.
        warnings.filterwarnings("ignore", message=".*input example")
        logged = mlflow.pyfunc.log_model(name="model", **model_arguments(paths.WEIGHTS))
    try:
        store.client.create_registered_model(name, description="SRCNN super-resolution")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return store.client.create_model_version(
        name, logged.model_uri, run_id, tags=tags, model_id=logged.model_id
    )
