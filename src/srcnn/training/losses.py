"""What training minimises: a pixel loss, alone or with other terms beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from srcnn.data.color import full_range

Term = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def charbonnier(sr: torch.Tensor, hr: torch.Tensor, epsilon: float = 1e-3) -> torch.Tensor:
    """The differentiable L1 of Lai et al. (LapSRN, CVPR 2017, eq. 3): mean sqrt(d² + ε²).

    Args:
        sr: (B, 1, H, W) luma in [0, 1], not clamped.
        hr: the same.
        epsilon: ε, in the same unit.

    Returns:
        A scalar, at least ε.
    """
    return torch.sqrt((sr - hr) ** 2 + epsilon**2).mean()


def rmse(sr: torch.Tensor, hr: torch.Tensor, epsilon: float = 1e-3) -> torch.Tensor:
    """The root of each picture's mean squared error, then the mean over the batch.

    PSNR, too, is taken per picture and then averaged. Beside plain MSE, where patches full of
    detail outweigh all others, every patch counts for what can be gained on it. ε² is added under
    the root, which has no gradient at 0.

    Args, Returns: see `charbonnier`.
    """
    return torch.sqrt(((sr - hr) ** 2).mean(dim=(1, 2, 3)) + epsilon**2).mean()


PIXEL_LOSSES: dict[str, Term] = {
    "mse": F.mse_loss,
    "rmse": rmse,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
}


def lattice(sr: torch.Tensor, hr: torch.Tensor, scale: int) -> torch.Tensor:
    """What a pattern of period `scale` has and no detail: mean errors that depend on the phase.

    An error's phase is its place within the scale x scale pixels of one LR pixel. A loss that looks
    through strided layers, as VGG19 and discriminators do, rewards such patterns.

    Args:
        sr: (B, 1, H, W) luma in [0, 1]; rows and columns beyond a multiple of `scale` do not count.
        hr: the same.
        scale: the enlargement.

    Returns:
        The variance over the phases of each patch's mean error, then the mean over the batch.
    """
    height, width = (size - size % scale for size in sr.shape[-2:])
    phases = F.pixel_unshuffle((sr - hr)[..., :height, :width], scale)
    return phases.mean(dim=(2, 3)).var(dim=1, correction=0).mean()


def of_gray(term: Term, luma_range: str) -> Term:
    """A term that sees luma as the gray it shows, whose black is 0 and whose white 1.

    Args:
        term: such as a distance between VGG19 features.
        luma_range: of what it is given, "full" or "studio", see `srcnn.data.color.luma`.
    """
    return lambda sr, hr: term(full_range(sr, luma_range), full_range(hr, luma_range))


@dataclass(frozen=True)
class Weighted:
    """A term of the loss.

    Attributes:
        term: two batches, (B, 1, H, W) luma in [0, 1], to a scalar.
        weight: its factor in the sum.
        patches: of so many patches of each training batch it is taken; None: of all.
        shifts: of so many rows and columns, fewer by one, patches are shifted in turn, so that a
            term's strided layers do not meet each phase of an LR pixel at the same place always.
        ramp: steps in which the weight rises from 0.
        validates: whether it is taken of the validation patches, too. What an adversary says at one
            step cannot be compared with what it says at another.
    """

    term: Term
    weight: float = 1.0
    patches: int | None = None
    shifts: int = 1
    ramp: int = 0
    validates: bool = True

    def part(self, batch: torch.Tensor, step: int) -> torch.Tensor:
        """What a step sees of a batch (B, 1, H, W)."""
        # 7 has no divisor in common with the squares of 2, 3, 4 and 8, so that each shift comes up.
        down, right = divmod(step * 7 % self.shifts**2, self.shifts)
        return batch[: self.patches, :, down:, right:]

    def weight_at(self, step: int | None) -> float:
        """The weight at a step, 0 being the first; None: the whole weight."""
        if step is None or step >= self.ramp:
            return self.weight
        return self.weight * (step + 1) / (self.ramp + 1)


class ReconstructionLoss:
    """The weighted sum of its terms, each of which is kept apart for the record.

    Args:
        pixel: "mse" | "rmse" | "l1" | "charbonnier", of weight 1.
        others: further terms, by name.
    """

    def __init__(self, pixel: str = "mse", others: Mapping[str, Weighted] | None = None) -> None:
        self._terms = {"pixel": Weighted(PIXEL_LOSSES[pixel]), **(others or {})}

    def __call__(
        self, sr: torch.Tensor, hr: torch.Tensor, step: int | None = None
    ) -> dict[str, torch.Tensor]:
        """The terms, as scalars.

        Args:
            sr: (B, 1, H, W) luma in [0, 1].
            hr: the same.
            step: of the training, 0 being the first; None: of a validation, where terms are taken
                of all patches, by their whole weights, and only those that validate.

        Returns:
            "loss", which is to be minimised, "pixel", and of every other term itself and
            NAME_weighted, itself times its weight.
        """
        values = {}
        for name, each in self._terms.items():
            if step is None and not each.validates:
                continue
            seen = (sr, hr) if step is None else (each.part(sr, step), each.part(hr, step))
            values[name] = each.term(*seen)
            if name != "pixel":
                values[f"{name}_weighted"] = each.weight_at(step) * values[name]
        summands = [value for name, value in values.items() if name not in self._terms]
        return {"loss": sum(summands, values["pixel"]), **values}
