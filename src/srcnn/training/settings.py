"""How to train, and what ends a training early."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from srcnn.training.learner import Terms
from srcnn.training.optim import Optimization


class DivergedError(RuntimeError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Settings:
    """How to train. Names and units: section `train` of params.yaml."""

    steps: int
    batch_size: int
    patch_size: int
    augment: bool = True
    optimization: Optimization = field(default_factory=Optimization)
    precision: str = "float32"
    log_every: int = 10
    validate_every: int = 200
    val_pictures: int = 8
    ema: float = 0.0  # decay of a running mean of the weights, which is what is kept; 0: none


def check_finite(terms: Sequence[Terms], step: int) -> None:
    """Name the first term that is no number, with its step.

    Args:
        terms: of the last steps.
        step: how many there have been in all.

    Raises:
        DivergedError: there is one.
    """
    for at, of_step in enumerate(terms, step - len(terms) + 1):
        for name in [*(name for name in of_step if name != "loss"), "loss"]:
            if not of_step[name].isfinite():
                raise DivergedError(
                    f"the training loss became {float(of_step[name])} at step {at}, in its "
                    f"term {name}: the learning rate or a loss weight is too high"
                )
