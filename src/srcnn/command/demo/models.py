"""The models that the page offers."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self

from srcnn import model_files
from srcnn.model_files import NoModel, TrainedModel

REGISTERED = "srcnn"


class Models:
    """References by the label under which a model is offered, the best for A and B first.

    Attributes:
        references: label to reference.
        a: the label chosen at first on the left: the champion, or the first.
        b: the label beside it: the newest with a perceptual loss, else another; None without one.
    """

    def __init__(self, references: dict[str, str], a: str, b: str | None) -> None:
        self.references, self.a, self.b = references, a, b

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
        client = model_files.mlflow_client()
        with model_files.reading("the list of registered models"):
            found = client.search_model_versions(f"name = '{REGISTERED}'")
            versions = sorted(found, key=lambda v: -int(v.version))
            if not versions:
                raise NoModel("no model is registered yet: `dvc repro` trains and registers one")
            aliases = client.get_registered_model(REGISTERED).aliases
        best = str(aliases.get("champion", versions[0].version))
        by_number = {v.version: _label(v, str(v.version) == best) for v in versions}
        labels = {label: f"models:/{REGISTERED}/{number}" for number, label in by_number.items()}
        champion = next(v for v in versions if str(v.version) == best)
        rivals = [v for v in versions if v.tags.get("scale") == champion.tags.get("scale")]
        others = [v for v in rivals if v is not champion]
        perceptual = [v for v in others if _weight(v) > 0]
        beside = next(iter(perceptual or others), None)
        b = by_number[beside.version] if beside else None
        return cls(labels, by_number[champion.version], b)


@lru_cache(maxsize=8)
def load(reference: str) -> TrainedModel:
    """The model, loaded once."""
    return model_files.load(reference, "auto")


def _weight(version: Any) -> float:
    return float(version.tags.get("loss.perceptual_weight", 0))


def _label(version: Any, champion: bool) -> str:
    tags = version.tags
    weight = _weight(version)
    loss = f"perceptual {weight:g}" if weight else "pixel loss only"
    parts = [f"version {version.version}", f"x{tags.get('scale', '?')}", loss]
    if champion:
        parts.append("champion")
    return ", ".join(parts)
