"""Naturalness: what can be said of SR by itself, or of all SR beside all HR, not pixel by pixel.

Blau and Michaeli, "The Perception-Distortion Tradeoff", CVPR 2018 (arXiv:1711.06077): how near the
distribution of SR is to that of HR is another question than how near each SR is to its HR, and
the better the one, the worse, at the limit, the other.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from srcnn.data.color import full_range
from srcnn.perceptual.loss import VGG19Features

LAYER = "relu2_2"


class FrechetDistance:
    """Fréchet distance between the VGG19 features of two sets of pictures, all positions pooled.

    As the FID of Heusel et al. (NIPS 2017), between Gaussians of equal mean and covariance, but of
    local features: relu2_2, 128 of them every other pixel, of whose statistics a few pictures give
    enough. Lower is better; the same set gives 0.

    Args:
        device: where to compute.
    """

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._features = VGG19Features([LAYER]).to(device)
        self._device = device

    @torch.inference_mode()
    def statistics(
        self, pictures: Iterable[np.ndarray], luma: str = "full"
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean (128,) and covariance (128, 128), in float64, of the features of all pictures.

        Args:
            pictures: uint8 (H, W), at least 2x2.
            luma: their range, "full" or "studio".
        """
        count, total, squares = 0, 0.0, 0.0
        for picture in pictures:
            gray = shown(picture, luma).to(self._device)
            vectors = self._features(gray)[LAYER][0].flatten(1).double().cpu()  # (128, positions)
            count += vectors.shape[1]
            total = total + vectors.sum(1)
            squares = squares + vectors @ vectors.T
        mean = torch.as_tensor(total) / count
        return mean, torch.as_tensor(squares) / count - torch.outer(mean, mean)


class Naturalness:
    """What tells a failed adversarial training from a good one, unlike PSNR or the discriminator.

    Args:
        device: where to compute.
    """

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._distance = FrechetDistance(device)

    def __call__(
        self, sr: Sequence[np.ndarray], hr: Sequence[np.ndarray], luma: str, scale: int
    ) -> dict[str, float]:
        """Of pictures, beside their originals.

        Args:
            sr: uint8 (H, W).
            hr: the same.
            luma: their range, "full" or "studio".
            scale: the enlargement.

        Returns:
            "frechet", see `FrechetDistance`; "fine_power", the mean ratio of SR's to HR's: below 1
            of a blurred picture; "pattern", the mean of SR's.
        """
        statistics = (self._distance.statistics(pictures, luma) for pictures in (sr, hr))
        ratios = [
            fine_power(ours, scale) / max(fine_power(original, scale), 1e-9)
            for ours, original in zip(sr, hr, strict=True)
        ]
        return {
            "frechet": frechet(*statistics),
            "fine_power": float(np.mean(ratios)),
            "pattern": float(np.mean([pattern(picture, scale) for picture in sr])),
        }


def shown(luma: np.ndarray, luma_range: str) -> torch.Tensor:
    """A uint8 (H, W) luma as a screen shows it, (1, 1, H, W) in [0, 1]: what VGG19 is to see."""
    levels = torch.from_numpy(luma.astype(np.float32) / 255)[None, None]
    return full_range(levels, luma_range).clamp(0, 1)


def frechet(a: tuple[torch.Tensor, torch.Tensor], b: tuple[torch.Tensor, torch.Tensor]) -> float:
    """The squared Fréchet distance of two Gaussians, each mean (C,) and covariance (C, C)."""
    (mean_a, cov_a), (mean_b, cov_b) = a, b
    root = _root(cov_a)
    cross = _root(root @ cov_b @ root).trace()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, float(distance))


def fine_power(luma: np.ndarray, scale: int) -> float:
    """Power, in squared gray levels, at the frequencies that LR does not hold.

    Args:
        luma: uint8 (H, W). A Hann window takes the borders' part away.
        scale: the enlargement; LR holds up to 1 / (2 · scale) cycles a pixel.
    """
    power, rows, columns = _spectrum(luma)
    fine = np.maximum(np.abs(rows)[:, None], np.abs(columns)) > 1 / (2 * scale)
    return float(power[fine].sum() / luma.size)


def pattern(luma: np.ndarray, scale: int) -> float:
    """How much a pattern of period `scale` stands out: power at that frequency, along rows and
    along columns, relative to the power at frequencies beside it. About 1 of a photograph.

    Args:
        luma: uint8 (H, W), at least 16 · scale on each side.
        scale: the enlargement, 2, 3, 4 or 8.
    """
    power, rows, columns = _spectrum(luma)
    ratios = []
    for profile, frequencies in ((power.sum(0), columns), (power.sum(1), rows)):
        spacing = 1 / len(profile)
        away = np.abs(np.abs(frequencies) - 1 / scale)
        line = profile[away < 1.5 * spacing].mean()
        beside = profile[(away >= 3 * spacing) & (away < 7 * spacing)].mean()
        ratios.append(line / max(beside, 1e-12))
    return float(np.mean(ratios))


def _spectrum(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power (H, W), with the frequencies of its rows and columns, in cycles a pixel."""
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in luma.shape))
    levels = luma.astype(np.float64)
    power = np.abs(np.fft.fft2((levels - levels.mean()) * window)) ** 2 / (window**2).sum()
    return power, np.fft.fftfreq(luma.shape[0]), np.fft.fftfreq(luma.shape[1])


def _root(matrix: torch.Tensor) -> torch.Tensor:
    """The square root of a symmetric matrix without negative eigenvalues but by rounding."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
