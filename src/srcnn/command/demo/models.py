"""The models that the page offers."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

from srcnn import model_files, registry
from srcnn.model_files import TrainedModel
from srcnn.registry import RegisteredModel


class Models:
    """References by the label under which a model is offered, the best for A and B first.

    Attributes:
        references: label to reference.
        a: the label chosen at first on the left: the champion, or the first.
        b: the label beside it: the newest with a perceptual loss, else another; None without one.
            Neither learned from an untrained VGG19, if there are others.
    """

    def __init__(self, references: dict[str, str], a: str, b: str | None) -> None:
        self.references = references
        self.a = a
        self.b = b

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
    def registered(cls) -> Self:
        """All versions of `srcnn` in MLflow's registry, newest first.

        Raises:
            NoModel: there are none.
        """
        versions = registry.registered_models()
        trained = [v for v in versions if not v.learned_from_untrained] or versions
        champion = next((version for version in trained if version.is_champion), trained[0])
        others = [v for v in trained if v.scale == champion.scale and v is not champion]
        perceptual = [version for version in others if version.perceptual_weight]
        beside = next(iter(perceptual or others), None)
        return cls(
            {_label(version): version.reference for version in versions},
            _label(champion),
            _label(beside) if beside else None,
        )


@lru_cache(maxsize=8)
def load(reference: str) -> TrainedModel:
    """The model, loaded once."""
    return model_files.load(reference, "auto")


def _label(model: RegisteredModel) -> str:
    weight = model.perceptual_weight
    loss = model.loss or (f"perceptual {weight:g}" if weight else "pixel loss only")
    champion = registry.CHAMPION if model.is_champion else ""
    version = f"version {model.version}"
    parts = [model.experiment, version, f"x{model.scale}", loss, model.date, champion]
    return ", ".join(part for part in parts if part)
