"""Trained models where people keep them: a file, an MLflow run or MLflow's registry."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from srcnn import DEFAULT_MODEL
from srcnn.hardware import keep_float32
from srcnn.inference import SuperResolver
from srcnn.masking import masked

_HOW_TO_TRAIN = "`dvc repro` (or `make repro`) in the project trains and registers one"


class NoModel(ValueError):
    """The model cannot be found; the message says what would help."""


@dataclass(frozen=True)
class TrainedModel:
    """A model with where it comes from.

    Attributes:
        resolver: ready to use.
        name: for people: the file, or name and version in the registry.
        run_id: the MLflow run that made it; empty for a file.
    """

    resolver: SuperResolver
    name: str
    run_id: str = ""


def load(reference: str | Path = DEFAULT_MODEL, device: str = "cpu") -> TrainedModel:
    """Load a trained model. It is used in float32: with CUDA this process leaves TF32 alone.

    Args:
        reference: a .safetensors file; or, with MLflow installed, `models:/NAME@ALIAS`,
            `models:/NAME/VERSION`, `models:/NAME` (its newest version) or `runs:/RUN_ID`. MLflow's
            store is `MLFLOW_TRACKING_URI`, else the nearest mlflow.db in this folder or above.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.

    Raises:
        NoModel: there is none under this reference, or MLflow is not installed.
        UnusableModel: the file is not one of this library's models.
    """
    text = str(reference)
    where = _device(device)
    if where == "cuda":
        keep_float32()
    if text.startswith(("models:", "runs:")):
        return _from_mlflow(text, where)
    path = Path(text).expanduser()
    if not path.is_file():
        raise NoModel(
            f"{text}: no such model file; a model is a .safetensors file, models:/NAME@ALIAS, "
            f"models:/NAME/VERSION or runs:/RUN_ID, and {_HOW_TO_TRAIN}"
        )
    return TrainedModel(SuperResolver.load(path, where), path.name)


def tracking_uri() -> str:
    """MLflow's store: `MLFLOW_TRACKING_URI`, else the nearest mlflow.db here or above.

    Raises:
        NoModel: there is neither. (Opening a store that is not there would create it.)
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if named:
        return named
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "mlflow.db").is_file():
            return f"sqlite:///{folder / 'mlflow.db'}"
    raise NoModel(
        f"there is no model yet: MLFLOW_TRACKING_URI is not set and no mlflow.db is in {here} or "
        f"above; {_HOW_TO_TRAIN}"
    )


def mlflow_client() -> Any:
    """The client of MLflow's store; it is also made the store of `mlflow` itself.

    Raises:
        NoModel: MLflow is not installed, or there is no store.
    """
    uri = tracking_uri()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it waits for the network
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # else minutes without a server
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        import mlflow
    except ImportError:
        raise NoModel(
            "models:/ and runs:/ need MLflow, which is not installed (pip install mlflow); "
            "without it, name a .safetensors file"
        ) from None
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    with reading(f"the MLflow store {uri}"):  # a scheme without a driver shows here
        return mlflow.MlflowClient(uri, registry_uri=uri)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """What goes wrong in MLflow becomes one sentence that says what could not be read.

    Raises:
        NoModel: MLflow, its store, a file or a driver failed; the sentence shows no password.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise NoModel(masked(f"{what} cannot be read: {reason}; {_HOW_TO_TRAIN}")) from None


def _from_mlflow(uri: str, device: str) -> TrainedModel:
    client = mlflow_client()
    import mlflow

    with reading(f"{uri} in {mlflow.get_tracking_uri()}"):
        if uri.startswith("models:"):
            version = _model_version(client, uri.removeprefix("models:").strip("/"))
            source = f"models:/{version.name}/{version.version}"
            name, run_id = f"{version.name} version {version.version}", version.run_id or ""
        else:
            run_id, _, inner = uri.removeprefix("runs:").strip("/").partition("/")
            source, name = f"runs:/{run_id}/{inner or 'model'}", f"run {run_id}"
        with tempfile.TemporaryDirectory() as folder:
            fetched = Path(mlflow.artifacts.download_artifacts(source, dst_path=folder))
            weights = sorted(fetched.glob("artifacts/*.safetensors"))
            if len(weights) != 1:
                raise NoModel(f"{uri} is not a model of this project: it holds no one .safetensors")
            return TrainedModel(SuperResolver.load(weights[0], device), name, run_id)


def _model_version(client: Any, reference: str) -> Any:
    """NAME@ALIAS, NAME/VERSION or NAME as a version of the registry."""
    name, at, alias = reference.partition("@")
    if at:
        return client.get_model_version_by_alias(name, alias)
    name, slash, number = reference.partition("/")
    if slash and number != "latest":
        return client.get_model_version(name, number)
    versions = client.search_model_versions(f"name = '{name}'")
    if not versions:
        raise NoModel(f"no model is registered as {name!r}; {_HOW_TO_TRAIN}")
    return max(versions, key=lambda version: int(version.version))


def _device(name: str) -> str:
    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = torch.backends.mps.is_available()
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if not available.get(name):
        usable = ", ".join(kind for kind, there in available.items() if there)
        raise NoModel(f"device is {name!r}; on this machine there is: {usable}")
    return name
