"""The model of an experiment in MLflow's registry, and which of them is the champion."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from pipeline.stage import paths
from pipeline.stage.inputs import digest, hash_of
from pipeline.tracking import served_model
from pipeline.tracking.imports import closure
from pipeline.tracking.store import Store
from srcnn.registry import CHAMPION, SCALE_TAG, UNTRAINED_TAG

GAIN, DATA, PICTURES, CODE = "val_psnr_gain", "data", "val_pictures", "code"

_LOOKS = 5  # at what another host, with which this one shares no lock, made of the alias
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pillow", "safetensors", "scipy", "torch", "tqdm")

_ROOT = Path(__file__).resolve().parents[2]
_LIBRARY = Path("src/srcnn")
_SERVED = Path(served_model.__file__).resolve()


def register(
    store: Store, run_id: str, name: str, description: str, tags: dict[str, str]
) -> ModelVersion:
    """Log the model to a run and register it, unless it is there with the code it is served by.

    A version whose files were deleted is replaced.

    Args:
        store: where the run is.
        run_id: the run that made the model.
        name: the registered model's name.
        description: of the version, for people.
        tags: of the version; GAIN, DATA, SCALE_TAG and PICTURES among them.
    """
    tags = tags | {CODE: _served_code()}
    for made in store.client.search_model_versions(f"run_id = '{run_id}'"):
        if made.name == name and made.tags.get(CODE) == tags[CODE]:
            if _is_there(store.client, made):
                return made
            store.client.delete_model_version(name, made.version)
    return _log_and_register(store, run_id, name, description, tags)


def keep_first(store: Store, run_id: str, made: ModelVersion) -> ModelVersion:
    """Of versions that several hosts made of one run at once, keep the first.

    Like `claims.settle` for runs: all hosts come to the same choice, whoever is the last.

    Returns:
        The version that stays.
    """
    versions = store.client.search_model_versions(f"run_id = '{run_id}'")
    same = [v for v in versions if (v.name, v.tags.get(CODE)) == (made.name, made.tags.get(CODE))]
    if len(same) < 2:
        return same[0] if same else made
    first, *others = sorted(same, key=lambda v: int(v.version))
    for other in others:
        store.client.delete_model_version(other.name, other.version)
    store.delete_unregistered_models(run_id)
    return first


def choose_champion(
    client: MlflowClient, name: str, made: ModelVersion, promote: bool
) -> ModelVersion:
    """Point the alias `champion` to the best model.

    The champion is the version with the highest validation gain in PSNR among those that were
    validated as the present champion was: on the same pictures of the same data, at the same scale.
    So an experiment on other data does not take its place, unless it is told to. A network that was
    trained with features of an untrained VGG19 is the champion only where there is no other. One
    whose run or files were deleted is it no more.

    Args:
        client: of the registry.
        name: the registered model.
        made: the version of this experiment.
        promote: compete among those that were validated as this version was instead.

    Returns:
        The champion.
    """
    for _ in range(_LOOKS):
        versions = [v for v in client.search_model_versions(f"name = '{name}'") if GAIN in v.tags]
        aliased = client.get_registered_model(name).aliases.get(CHAMPION)
        champion = next((v for v in versions if str(v.version) == str(aliased)), None)
        if promote or champion is None or not _is_there(client, champion):
            champion = made
        rivals = [v for v in versions if validated_on(v) == validated_on(champion)]
        rivals.sort(key=lambda v: _rank(v, versions), reverse=True)
        best = next((v for v in rivals if _is_there(client, v)), made)
        if str(best.version) == str(aliased):
            break
        client.set_registered_model_alias(name, CHAMPION, best.version)
    return best


def validated_on(model: ModelVersion) -> tuple[str | None, ...]:
    """What a gain was measured on; gains over different pictures or scales cannot be compared."""
    return tuple(model.tags.get(tag) for tag in (DATA, SCALE_TAG, PICTURES))


def _is_there(client: MlflowClient, model: ModelVersion) -> bool:
    """Whether neither the files of a version nor its run were deleted."""
    try:
        if model.run_id and client.get_run(model.run_id).info.lifecycle_stage != "active":
            return False
        files = client.get_model_version_download_uri(model.name, model.version)
        place = f"{files}/artifacts"  # of the model; there its weights are
        return bool(mlflow.artifacts.list_artifacts(place, tracking_uri=client.tracking_uri))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def _rank(model: ModelVersion, versions: list[ModelVersion]) -> tuple[bool, float, int, int]:
    """The higher the better: of equals the oldest stays, but with the newest code."""
    first = min(int(v.version) for v in versions if v.run_id == model.run_id)
    trained = model.tags.get(UNTRAINED_TAG) != "true"
    return trained, float(model.tags[GAIN]), -first, int(model.version)


@contextmanager
def model_arguments(weights: Path) -> Iterator[dict[str, Any]]:
    """The model with these weights, as MLflow logs or saves it while the block runs.

    With it goes the part of the library that it is served by: not VGG19, which is 15 MB.
    """
    pictures = Schema([ColSpec("string", served_model.COLUMN)])
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "srcnn"
        for file in _served_files():
            if file.is_relative_to(_LIBRARY):
                copy = library / file.relative_to(_LIBRARY)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(_ROOT / file, copy)
        yield {
            "python_model": str(_SERVED),
            "artifacts": {"weights": weights.resolve().as_uri()},
            "code_paths": [str(library)],
            "signature": ModelSignature(pictures, pictures),
            "pip_requirements": [f"{package}=={version(package)}" for package in REQUIREMENTS],
        }


def _log_and_register(
    store: Store, run_id: str, name: str, description: str, tags: dict[str, str]
) -> ModelVersion:
    store.delete_unregistered_models(run_id)  # of tries that were cut short
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri(store.uri)
    mlflow.set_experiment(experiment_id=store.experiment_id)  # the model's; else it is "Default"
    with warnings.catch_warnings():
        # An example would have MLflow run the model to infer the signature that is given here.
        warnings.filterwarnings("ignore", message=".*input example")
        # Unlike mlflow.pyfunc.log_model this needs no active run, whose end would be the run's.
        with model_arguments(paths.WEIGHTS) as arguments:
            logged = Model.log(
                artifact_path=None, flavor=mlflow.pyfunc, run_id=run_id, name="model", **arguments
            )
    try:
        store.client.create_registered_model(name, description="SRCNN super-resolution")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return store.client.create_model_version(
        name,
        logged.model_uri,
        run_id,
        tags=tags,
        description=description,
        model_id=logged.model_id,
    )


def _served_code() -> str:
    """Hash of the code that a registered model is served by: a fix there is a new version."""
    return hash_of({str(file): digest(_ROOT / file) for file in _served_files()})


def _served_files() -> set[Path]:
    """The code that a registered model is served by, relative to the checkout."""
    return closure(_SERVED, _ROOT)
