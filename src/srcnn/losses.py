"""What training minimises: a pixel loss, alone or with a perceptual loss beside it."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from srcnn.color import full_range

Term = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def charbonnier(sr: torch.Tensor, hr: torch.Tensor, epsilon: float = 1e-3) -> torch.Tensor:
    """The differentiable L1 of Lai et al. (LapSRN, CVPR 2017, eq. 3): mean sqrt(d² + ε²)."""
    return torch.sqrt((sr - hr) ** 2 + epsilon**2).mean()


def rmse(sr: torch.Tensor, hr: torch.Tensor, epsilon: float = 1e-3) -> torch.Tensor:
    """The root of each picture's mean squared error, then the mean over the batch.

    PSNR, too, is taken per picture and then averaged. Beside plain MSE, where patches full of
    detail outweigh all others, every patch counts for what can be gained on it. ε² is added under
    the root, which has no gradient at 0.
    """
    return torch.sqrt(((sr - hr) ** 2).mean(dim=(1, 2, 3)) + epsilon**2).mean()


PIXEL_LOSSES: dict[str, Term] = {
    "mse": F.mse_loss,
    "rmse": rmse,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
}


class ReconstructionLoss:
    """pixel + perceptual_weight · perceptual, with every term kept apart for the record.

    Args:
        pixel: "mse" | "rmse" | "l1" | "charbonnier".
        perceptual: a second term, such as a distance between VGG19 features, of pictures whose
            black is 0 and whose white 1; None: pixel loss only.
        perceptual_weight: its weight.
    """

    def __init__(
        self, pixel: str = "mse", perceptual: Term | None = None, perceptual_weight: float = 0.0
    ) -> None:
        self._pixel = PIXEL_LOSSES[pixel]
        self._perceptual = perceptual
        self._weight = perceptual_weight

    def __call__(
        self, sr: torch.Tensor, hr: torch.Tensor, luma_range: str = "full"
    ) -> dict[str, torch.Tensor]:
        """The terms, as scalars.

        Args:
            sr: (B, 1, H, W) luma in [0, 1].
            hr: the same.
            luma_range: "full" or "studio", see `srcnn.color.luma`.

        Returns:
            "pixel", "perceptual" (as it is) and "perceptual_weighted" (times its weight), both
            absent without such a term, and "loss", which is to be minimised.
        """
        pixel = self._pixel(sr, hr)
        if self._perceptual is None:
            return {"pixel": pixel, "loss": pixel}
        perceptual = self._perceptual(full_range(sr, luma_range), full_range(hr, luma_range))
        weighted = self._weight * perceptual
        return {
            "pixel": pixel,
            "perceptual": perceptual,
            "perceptual_weighted": weighted,
            "loss": pixel + weighted,
        }
