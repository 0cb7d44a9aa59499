"""The curve of a training: what it goes on from, its best row, what shows failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

Row = dict[str, Any]
"""One line of the curve, by the names of its columns."""


@dataclass(frozen=True)
class Past:
    """What an earlier training left that this one continues.

    Attributes:
        curve: its rows.
        snapshots: its snapshots by step, uint8 (N, h, w).
    """

    curve: list[Row] = field(default_factory=list)
    snapshots: Mapping[int, torch.Tensor] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Its last step."""
        return int(self.curve[-1]["step"]) if self.curve else 0


def validation_score(row: Row) -> float:
    """How good the weights are that gave a validated row of the curve; higher is better.

    Validation PSNR or, with further terms in the loss, the validation loss: PSNR would choose the
    weights that have learned least from them. With an adversarial loss, which has no value that
    could be compared from one step to the next, the Fréchet distance to the originals.
    """
    if "val_frechet" in row:
        return -row["val_frechet"]
    has_others = any(name.startswith("val_") and name.endswith("_weighted") for name in row)
    return -row["val_loss"] if has_others else row["val_psnr"]


def collapse(rows: Sequence[Row], best: Row) -> str | None:
    """What shows that an adversarial training failed, in words; None of a good one, or of another.

    Its reconstructions are then less natural than those that it began with. The share of what the
    discriminator tells right, and PSNR, do not show it.

    Args:
        rows: of the training.
        best: the one whose weights are kept.
    """
    if "val_frechet" not in best:
        return None
    first, last = rows[0]["val_frechet"], rows[-1]["val_frechet"]
    if best is not rows[0] and last < first:
        return None
    return (
        "the adversarial training made nothing more natural: the Fréchet distance to the originals "
        f"is {last:.1f} at its end, and was {first:.1f}; a smaller loss.adversarial_weight or "
        "finetune.discriminator.lr may help"
    )
