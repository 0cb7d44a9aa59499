"""The models that the page offers: those that were trained, and those of the package."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from srcnn.inference import mlflow_models, model_files, packaged
from srcnn.inference.mlflow_models import RegisteredModel
from srcnn.inference.model_files import TrainedModel


@dataclass(frozen=True)
class Models:
    """References by the label under which a model is offered, the best for A and B first.

    Attributes:
        references: label to reference.
        a: the label chosen at first on the left: the champion, or the first.
        b: the label beside it: the newest with a perceptual loss, else another; None without one.
            Neither is a version that learned from an untrained VGG19.
    """

    references: dict[str, str]
    a: str
    b: str | None

    @classmethod
    def named(cls, references: Sequence[str]) -> Self:
        """The given models, as they are named; each must load.

        Raises:
            NoModel: one cannot be found.
        """
        labels = {reference: reference for reference in references}
        for reference in labels:
            load(reference)
        first, *others = labels
        return cls(labels, first, others[0] if others else None)

    @classmethod
    def known(cls) -> Self:
        """All versions of `srcnn` in MLflow's registry, newest first, then the package's networks.

        Raises:
            NoModel: the registry is there but cannot be read.
        """
        versions = mlflow_models.registered_models()
        ours = {_packaged(name): name for name in packaged.references()}
        labels = {_label(version): version.reference for version in versions} | ours
        trained = [version for version in versions if not version.learned_from_untrained]
        best = (version for version in trained if version.is_champion)
        champion = next(best, next(iter(trained), None))
        if champion is None:
            first = packaged.reference(packaged.DEFAULT_SCALE)
            return cls(labels, _packaged(first), _packaged(packaged.PERCEPTUAL))
        others = [v for v in trained if v.scale == champion.scale and v is not champion]
        perceptual = [version for version in others if version.perceptual_weight]
        beside = [_label(version) for version in perceptual or others]
        if champion.scale in packaged.SCALES:
            beside.append(_packaged(packaged.reference(champion.scale)))
        return cls(labels, _label(champion), next(iter(beside), None))


@lru_cache(maxsize=8)
def load(reference: str) -> TrainedModel:
    """The model, loaded once."""
    return model_files.load(reference, "auto")


def _label(model: RegisteredModel) -> str:
    weight = model.perceptual_weight
    loss = model.loss or (f"perceptual {weight:g}" if weight else "pixel loss only")
    champion = mlflow_models.CHAMPION if model.is_champion else ""
    version = f"version {model.version}"
    parts = [model.experiment, version, f"x{model.scale or '?'}", loss, model.date, champion]
    return ", ".join(part for part in parts if part)


def _packaged(reference: str) -> str:
    return f"in the package, {reference.removeprefix(packaged.PREFIX)}"
