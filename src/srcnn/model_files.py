"""Trained models by reference: a file, an MLflow run or a version in MLflow's registry."""

from dataclasses import dataclass
from pathlib import Path

from srcnn import registry
from srcnn.hardware import choose_device, keep_float32
from srcnn.inference import SuperResolver
from srcnn.registry import DEFAULT_MODEL, HOW_TO_TRAIN, NoModel


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
        ValueError: the machine does not have this device.
        UnusableModel: the file is not one of this library's models.
    """
    text = str(reference)
    where = choose_device(device)
    if where.type == "cuda":
        keep_float32()
    if text.startswith(("models:", "runs:")):
        with registry.fetched(text) as (weights, name, run_id):
            return TrainedModel(SuperResolver.load(weights, where), name, run_id)
    path = Path(text).expanduser()
    if not path.is_file():
        raise NoModel(
            f"{text}: no such model file; a model is a .safetensors file, models:/NAME@ALIAS, "
            f"models:/NAME/VERSION or runs:/RUN_ID, and {HOW_TO_TRAIN}"
        )
    return TrainedModel(SuperResolver.load(path, where), path.name)
