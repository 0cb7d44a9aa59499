"""Trained models by reference: of the package, a file, or one of MLflow's runs and registry."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from srcnn.hardware import choose_device, keep_float32
from srcnn.inference import mlflow_models, packaged
from srcnn.inference.mlflow_models import HOW_TO_TRAIN, NoModel
from srcnn.inference.resolver import SCALES, SuperResolver


@dataclass(frozen=True)
class TrainedModel:
    """A model with where it comes from.

    Attributes:
        resolver: ready to use.
        name: for people: the file, the experiment, or name and version in the registry.
        run_id: the MLflow run that made it; empty for a file.
        why: why it was chosen, for people; empty where it was named.
    """

    resolver: SuperResolver
    name: str
    run_id: str = ""
    why: str = ""

    @property
    def title(self) -> str:
        """Its name and why it was chosen."""
        return f"{self.name} ({self.why})" if self.why else self.name


def load(
    reference: str | Path | None = None, device: str = "cpu", scale: int | None = None
) -> TrainedModel:
    """Load a trained model. It is used in float32: with CUDA this process leaves TF32 alone.

    Args:
        reference, device, scale: as for `srcnn.load_model`; `models:/NAME` is the newest version.

    Raises:
        NoModel: there is none under this reference or of this scale; MLflow is needed and not
            installed; or its store is there and cannot be read.
        ValueError: the machine does not have this device, or the scale is another.
        UnusableModel: the file is not one of this library's models.
    """
    if scale not in (None, *SCALES):
        allowed = ", ".join(map(str, SCALES))
        raise ValueError(f"scale is {scale!r}; it must be one of {allowed}")
    where = choose_device(device)
    if where.type == "cuda":
        keep_float32()
    chosen, why = _best(scale) if reference is None else (str(reference), "")
    model = replace(_find(chosen, where), why=why)
    if scale not in (None, model.resolver.scale):
        raise NoModel(
            f"scale is {scale}, but {model.name} enlarges x{model.resolver.scale}; leave out the "
            f"scale, or the model: the package has {_packaged()}"
        )
    return model


def _best(scale: int | None) -> tuple[str, str]:
    """The reference of the model that is taken where none is named, and why it is."""
    models = mlflow_models.registered_models()
    champion = next((model for model in models if model.is_champion), None)
    if champion is None or scale not in (None, champion.scale):
        if scale not in (None, *packaged.SCALES):
            raise NoModel(
                f"scale is {scale}, but no champion enlarges by it, and the package has "
                f"{_packaged()}; name a model, or train one with degrade.scale={scale}"
            )
        why = "no model is registered here"
        if champion:
            why = f"the champion, version {champion.version}, enlarges x{champion.scale}"
        return packaged.reference(scale or packaged.DEFAULT_SCALE), why
    gain = champion.over_packaged
    if gain is None or champion.scale is None:
        return champion.reference, "the champion, not compared with the package's networks"
    ours = packaged.reference(champion.scale)
    on = "on its validation pictures"
    if gain > 0:
        return champion.reference, f"the champion, {gain:.2f} dB above {ours} {on}"
    return ours, f"the champion, version {champion.version}, is {abs(gain):.2f} dB below it {on}"


def _packaged() -> str:
    return ", ".join(packaged.references())


def _find(reference: str, device: torch.device) -> TrainedModel:
    if reference.startswith(("models:", "runs:")):
        return _fetch(reference, device)
    if reference.startswith(packaged.PREFIX):
        file = packaged.file(reference)
        if file is None:
            raise NoModel(f"{reference}: no such model; the package has {_packaged()}")
        return TrainedModel(SuperResolver.load(file, device), reference)
    path = Path(reference).expanduser()
    if path.is_file():
        return TrainedModel(SuperResolver.load(path, device), path.name)
    if path.suffix == ".safetensors":
        raise NoModel(
            f"{reference}: no such model file; a model is {packaged.reference(4)}, a .safetensors "
            f"file, an experiment's name, models:/NAME@ALIAS, models:/NAME/VERSION or "
            f"runs:/RUN_ID; {HOW_TO_TRAIN}"
        )
    try:
        run_id = mlflow_models.run_of_experiment(reference)
    except NoModel as error:
        raise NoModel(f"{reference!r} is no model file; {error}") from None
    return _fetch(f"runs:/{run_id}", device, f"experiment {reference} (run {run_id[:8]})")


def _fetch(uri: str, device: torch.device, title: str = "") -> TrainedModel:
    """A model of MLflow, under its name there or a title."""
    with mlflow_models.fetched(uri) as (weights, name, run_id):
        return TrainedModel(SuperResolver.load(weights, device), title or name, run_id)
