"""The model of an experiment in MLflow's registry, and which of them have an alias."""

import json
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
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

import srcnn
from pipeline.stage import paths
from pipeline.stage.inputs import digest, hash_of
from pipeline.tracking import served_model
from pipeline.tracking.experiment import Experiment
from pipeline.tracking.store import Store
from srcnn.inference.mlflow_models import (
    CHAMPION,
    EXPERIMENT_TAG,
    LOSS_TAG,
    OVER_PACKAGED_TAG,
    PERCEPTUAL,
    PERCEPTUAL_WEIGHT_TAG,
    SCALE_TAG,
    UNTRAINED_TAG,
)

# Tags of a version: its validation gain in PSNR; its VGG19 distance there, and by whose weights;
# what both were measured on; the code that it is served by.
GAIN, VGG19, VGG19_WEIGHTS = "val_psnr_gain", "val_vgg19", "vgg19_weights"
DATA, PICTURES, CODE = "data", "val_pictures", "code"

# dB of validation PSNR that the network with the alias `perceptual` may lose against the champion.
PERCEPTUAL_LOSS = 0.5

REQUIREMENTS = ("mlflow", "numpy", "pandas", "pillow", "safetensors", "scipy", "torch", "tqdm")

_LIBRARY = Path(srcnn.__file__).parent
_SERVED = Path(served_model.__file__).resolve()
# VGG19 and packaged networks; an empty file, at whose upload some proxies wait for ever.
_LEFT_OUT = shutil.ignore_patterns("*.safetensors", "py.typed", "__pycache__")


def register(store: Store, run: Run, name: str, experiment: Experiment) -> ModelVersion:
    """Log an experiment's model to its run and register it under a name.

    One that is there with the code it is served by stays; without its files it is replaced.
    """
    tags = _version_tags(experiment, run.info.run_name) | {CODE: _served_code()}
    for made in store.client.search_model_versions(f"run_id = '{run.info.run_id}'"):
        if made.name == name and made.tags.get(CODE) == tags[CODE]:
            if _is_there(store.client, made):
                return made
            store.client.delete_model_version(name, made.version)
    return _log_and_register(store, run.info.run_id, name, experiment.summary(), tags)


def choose_aliases(
    client: MlflowClient, name: str, made: ModelVersion, promote: bool
) -> ModelVersion:
    """Point the aliases `champion` and `perceptual` to the best models; the champion.

    docs/mlflow.md tells which these are. One whose run or files were deleted is none of them.
    Those are compared that were validated as the champion was; with `promote` those that were
    validated as `made` was, the version of this experiment.
    """
    present = str(client.get_registered_model(name).aliases.get(CHAMPION))
    versions = [v for v in client.search_model_versions(f"name = '{name}'") if GAIN in v.tags]
    standard = next((v for v in versions if str(v.version) == present), None)
    if promote or standard is None or not _is_there(client, standard):
        standard = made
    rivals = [v for v in versions if validated_on(v) == validated_on(standard)]
    rivals.sort(key=lambda v: _rank(v, versions), reverse=True)
    champion = next((v for v in rivals if _is_there(client, v)), made)
    perceptual = [v for v in rivals if _is_perceptual(v, champion)]
    perceptual.sort(key=lambda v: float(v.tags[VGG19]))  # stable: of equals the higher gain
    chosen = {
        CHAMPION: champion,
        PERCEPTUAL: next((v for v in perceptual if _is_there(client, v)), None),
    }
    for alias, best in chosen.items():
        if best:
            client.set_registered_model_alias(name, alias, best.version)
        else:
            client.delete_registered_model_alias(name, alias)
    return champion


def _is_perceptual(model: ModelVersion, champion: ModelVersion) -> bool:
    """Whether a version may have the alias `perceptual` beside this champion."""
    return (
        float(model.tags.get(PERCEPTUAL_WEIGHT_TAG, 0)) > 0
        and model.tags.get(UNTRAINED_TAG) != "true"
        and VGG19 in model.tags
        and model.tags.get(VGG19_WEIGHTS) == champion.tags.get(VGG19_WEIGHTS)
        and float(model.tags[GAIN]) >= float(champion.tags[GAIN]) - PERCEPTUAL_LOSS
    )


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

    With it goes the library that it is served by, without the networks in it: VGG19 has 15 MB.
    """
    pictures = Schema([ColSpec("string", served_model.COLUMN)])
    with tempfile.TemporaryDirectory() as folder:
        library = shutil.copytree(_LIBRARY, Path(folder, "srcnn"), ignore=_LEFT_OUT)
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


def _version_tags(experiment: Experiment, run_name: str) -> dict[str, str]:
    params = experiment.params
    evaluation = experiment.evaluation
    validation = evaluation["validation"]
    known = {
        OVER_PACKAGED_TAG: validation["psnr_over_packaged"],
        VGG19: validation.get("vgg19"),
        VGG19_WEIGHTS: evaluation.get("vgg19_weights"),
    }
    return {
        GAIN: f"{experiment.gain:.6f}",
        DATA: experiment.pairs.digest,
        SCALE_TAG: str(experiment.pairs.scale),
        PICTURES: str(params["train.val_pictures"]),
        "luma": experiment.pairs.luma,
        PERCEPTUAL_WEIGHT_TAG: f"{params['loss.perceptual_weight']:g}",
        EXPERIMENT_TAG: run_name,
        LOSS_TAG: evaluation["loss"],
        UNTRAINED_TAG: json.dumps(experiment.has_untrained_features),
        **{name: str(value) for name, value in known.items() if value is not None},
        **{f"test_{name}": f"{evaluation[name]:.6g}" for name in ("psnr", "ssim", "psnr_gain")},
    }


def _served_code() -> str:
    """Hash of the code that a registered model is served by: a fix there is a new version."""
    files = [_SERVED, *sorted(_LIBRARY.rglob("*.py"))]
    return hash_of([digest(file) for file in files])
