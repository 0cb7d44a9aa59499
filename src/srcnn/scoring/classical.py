"""How alike two 8-bit gray pictures are: PSNR (also of LR), SSIM and GMSD, as their authors do."""

import math

import numpy as np
from scipy.ndimage import convolve1d

from srcnn.data.imresize import crop_to_multiple, downscale

_DATA_RANGE = 255.0

SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
_SSIM_K1 = 0.01
_SSIM_K2 = 0.03
_WINDOW = np.exp(-((np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2) ** 2) / (2 * _SSIM_SIGMA**2))
_WINDOW /= _WINDOW.sum()

_GMSD_CONSTANT = 170.0
GMSD_MINIMUM = 6  # one 3x3 Prewitt window after halving


def shave(picture: np.ndarray, border: int) -> np.ndarray:
    """The picture (H, W, ...) without `border` pixels on each side; a view.

    Raises:
        ValueError: nothing would be left, or the border is negative.
    """
    height, width = picture.shape[:2]
    if border < 0 or min(height, width) <= 2 * border:
        raise ValueError(
            f"cannot shave {border} pixels off each side of a {height}x{width} picture"
        )
    return picture[border : height - border, border : width - border]


def smallest_side(scale: int) -> int:
    """The least height and width of an HR picture that can be scored once shaved, in pixels."""
    return SSIM_WINDOW + 2 * scale


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, peak 255; higher is better, inf for identical pictures.

    Args:
        a: uint8 (H, W), at least 1x1.
        b: the same dtype and shape.

    Raises:
        ValueError: another dtype, another shape, or the two shapes differ.
    """
    _check(a, b, minimum=1, what="PSNR")
    return decibels(float(np.mean((a.astype(np.int32) - b) ** 2)))


def decibels(mse: float) -> float:
    """PSNR in dB, peak 255, of a mean squared error in gray levels squared; inf of 0."""
    return 10 * math.log10(_DATA_RANGE**2 / mse) if mse else math.inf


def finite_psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB that has a mean and fits in JSON: identical pictures do not give infinity.

    They count as if one pixel were one gray level off, the highest PSNR that two different pictures
    of their size can have (96 dB at 256x256).

    Args, Raises: see `psnr`.
    """
    return min(psnr(a, b), 10 * math.log10(_DATA_RANGE**2 * a.size))


def lr_psnr(sr: np.ndarray, hr: np.ndarray, scale: int) -> float:
    """Consistency: PSNR in dB, see `finite_psnr`, of both once shrunk by MATLAB's bicubic to uint8.

    It tells whether SR could be what LR was made from, and does not see what is invented beyond LR.
    Lugmayr et al., "NTIRE 2021 learning the super-resolution space challenge", CVPRW 2021.

    Args:
        sr: uint8 (H, W), at least `scale` high and wide; the rest of a multiple of it is cut off.
        hr: the same dtype and shape.
        scale: the enlargement.

    Raises:
        ValueError: another dtype, another shape, or the two shapes differ.
    """
    _check(sr, hr, minimum=scale, what="LR-PSNR")
    return finite_psnr(
        *(downscale(crop_to_multiple(picture, scale), scale) for picture in (sr, hr))
    )


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity, mean over the picture; 1 for identical pictures, higher is better.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 2004, equation 13, with the settings of the paper and of its `ssim_index.m`: 11x11 Gaussian
    window of sigma 1.5, K1 = 0.01, K2 = 0.03, population (co)variance, only windows that lie
    wholly inside the picture, no downsampling.

    Args:
        a: uint8 (H, W), at least 11x11.
        b: the same dtype and shape.

    Raises:
        ValueError: another dtype, a smaller shape, or the two shapes differ.
    """
    _check(a, b, minimum=SSIM_WINDOW, what="SSIM")
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x = _gaussian_mean(x)
    mean_y = _gaussian_mean(y)
    variance_x = _gaussian_mean(x * x) - mean_x**2
    variance_y = _gaussian_mean(y * y) - mean_y**2
    covariance = _gaussian_mean(x * y) - mean_x * mean_y
    c1 = (_SSIM_K1 * _DATA_RANGE) ** 2
    c2 = (_SSIM_K2 * _DATA_RANGE) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return float(np.mean(luminance * structure))


def gmsd(a: np.ndarray, b: np.ndarray) -> float:
    """Gradient magnitude similarity deviation; 0 for identical pictures, lower is better.

    Xue et al., "Gradient magnitude similarity deviation: a highly efficient perceptual image
    quality index", IEEE TIP 2014: means of 2x2 blocks, Prewitt gradients (weights 1/3), similarity
    of the gradient magnitudes with c = 170, and its standard deviation over the picture (equation
    6: divided by N). As in the authors' code pixels outside the picture count as 0, both for the
    gradients and for the half blocks of an odd side.

    Args:
        a: uint8 (H, W), at least 6x6.
        b: the same dtype and shape.

    Raises:
        ValueError: another dtype, a smaller shape, or the two shapes differ.
    """
    _check(a, b, minimum=GMSD_MINIMUM, what="GMSD")
    x, y = _gradient_magnitude(_halve(a)), _gradient_magnitude(_halve(b))
    similarity = (2 * x * y + _GMSD_CONSTANT) / (x**2 + y**2 + _GMSD_CONSTANT)
    return float(np.std(similarity))


def _check(a: np.ndarray, b: np.ndarray, minimum: int, what: str) -> None:
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim != 2:
            raise ValueError(
                f"{what} compares uint8 pictures (H, W); got {picture.dtype} {picture.shape}"
            )
    if a.shape != b.shape:
        raise ValueError(f"{what} compares pictures of one size; got {a.shape} and {b.shape}")
    if min(a.shape) < minimum:
        raise ValueError(f"{what} needs at least {minimum}x{minimum} pixels; got {a.shape}")


def _gaussian_mean(picture: np.ndarray) -> np.ndarray:
    """The Gaussian-weighted mean in every window that lies inside, (H - 10, W - 10)."""
    margin = SSIM_WINDOW // 2
    rows = convolve1d(picture, _WINDOW, axis=0)[margin:-margin]
    return convolve1d(rows, _WINDOW, axis=1)[:, margin:-margin]


def _halve(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    even = np.pad(picture.astype(np.float64), ((0, height % 2), (0, width % 2)))
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _gradient_magnitude(picture: np.ndarray) -> np.ndarray:
    mean, difference = [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, -1.0]
    vertical = convolve1d(picture, difference, axis=0, mode="constant")
    horizontal = convolve1d(picture, difference, axis=1, mode="constant")
    return np.hypot(
        convolve1d(vertical, mean, axis=1, mode="constant"),
        convolve1d(horizontal, mean, axis=0, mode="constant"),
    )
