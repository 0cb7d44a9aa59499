"""NIQE: how far a picture's local statistics are from those of natural pictures; no original."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import convolve1d, gaussian_filter
from scipy.special import gammaln

from srcnn.data.color import full_range
from srcnn.data.imresize import downscale

BLOCK, STRIDE = 48, 24
SMALLEST = 96
"""Pixels on each side that a picture must have: nine blocks."""

_WINDOW = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
_WINDOW /= _WINDOW.sum()
_SHARP = 0.75
_LEAST_BLOCKS = 180  # five for each feature
_EPSILON = 1e-12
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))

_SHAPES = np.arange(200, 10001) / 1000
_RATIOS = np.exp(2 * gammaln(2 / _SHAPES) - gammaln(1 / _SHAPES) - gammaln(3 / _SHAPES))


class NIQE:
    """Natural image quality evaluator; lower is more natural.

    Mittal, Soundararajan and Bovik, "Making a 'completely blind' image quality analyzer", IEEE SPL
    2013, as in the authors' code: 36 features of locally normalized levels, at two sizes, in
    blocks; the distance of their Gaussian from that of the sharp blocks of natural pictures. Not
    theirs: blocks of 48 pixels every 24, so that a picture of 256 has enough of them (theirs: 96);
    and natural is what the given pictures are, so that other figures of NIQE cannot be compared.

    Args:
        pictures: natural ones, uint8 (H, W).
        luma: their range, "full" or "studio".

    Attributes:
        fitted_to: how many pictures, and the beginning of their sha256.

    Raises:
        ValueError: they are too few, or too small.
    """

    def __init__(self, pictures: Sequence[np.ndarray], luma: str = "full") -> None:
        large = [picture for picture in pictures if min(picture.shape) >= BLOCK]
        blocks = [_sharp_features(_levels(picture, luma)) for picture in large]
        count = sum(map(len, blocks))
        if count < _LEAST_BLOCKS:
            raise ValueError(
                f"{len(pictures)} training pictures have {count} sharp blocks of {BLOCK}x{BLOCK} "
                f"pixels; {_LEAST_BLOCKS} show what is natural"
            )
        self._mean, self._covariance = _gaussian(np.concatenate(blocks))
        digest = hashlib.sha256(b"".join(picture.tobytes() for picture in large)).hexdigest()
        self.fitted_to = f"{len(large)} pictures (sha256 {digest[:12]})"

    def __call__(self, picture: np.ndarray, luma: str = "full") -> float:
        """Of a picture, uint8 (H, W), at least 96x96, whose range is "full" or "studio"."""
        features, _ = _features(_levels(picture, luma))
        mean, covariance = _gaussian(features)
        away = mean - self._mean
        inverse = np.linalg.pinv((covariance + self._covariance) / 2)
        return float(np.sqrt(away @ inverse @ away))


def fitted_niqe(pictures: Sequence[np.ndarray], luma: str = "full") -> NIQE:
    """NIQE fitted to three of four pictures, if it can judge the others.

    Where pictures are few or of many kinds it may find blur more natural than most of them.

    Args, Raises: see `NIQE`.

    Raises:
        ValueError: also if it does not see that others are blurred (sigma of 1 pixel) in nine of
            ten.
    """
    niqe = NIQE([picture for i, picture in enumerate(pictures) if i % 4], luma)
    others = [picture for picture in pictures[::4] if min(picture.shape) >= SMALLEST]
    seen = sum(niqe(other, luma) < niqe(gaussian_filter(other, 1), luma) for other in others)
    if not others or seen < 0.9 * len(others):
        raise ValueError(
            f"fitted to training pictures, NIQE sees in {seen} of {len(others)} others that they "
            "are blurred: too few, or of too many kinds"
        )
    return niqe


def _levels(picture: np.ndarray, luma: str) -> np.ndarray:
    """The gray levels that are shown, float64, cut to whole blocks."""
    height, width = (BLOCK + (side - BLOCK) // STRIDE * STRIDE for side in picture.shape)
    return 255 * full_range(picture[:height, :width] / 255, luma)


def _gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return features.mean(axis=0), np.cov(features, rowvar=False)


def _sharp_features(levels: np.ndarray) -> np.ndarray:
    """The features of blocks nearly as sharp as the sharpest of a picture, (blocks, 36)."""
    features, sharpness = _features(levels)
    return features[sharpness > _SHARP * sharpness.max()]


def _features(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The features (blocks, 36) and the mean local deviations (blocks,) of a picture."""
    normalized, deviation = _normalize(levels)
    half, _ = _normalize(downscale(levels, 2))
    features = [_of_blocks(_blocks(normalized, 1)), _of_blocks(_blocks(half, 2))]
    return np.concatenate(features, axis=1), _blocks(deviation, 1).mean(axis=(1, 2))


def _normalize(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels without their local mean, by their local deviation; and that deviation."""
    mean = _local_mean(levels)
    deviation = np.sqrt(np.abs(_local_mean(levels**2) - mean**2))
    return (levels - mean) / (deviation + 1), deviation


def _local_mean(levels: np.ndarray) -> np.ndarray:
    rows = convolve1d(levels, _WINDOW, axis=0, mode="nearest")
    return convolve1d(rows, _WINDOW, axis=1, mode="nearest")


def _blocks(levels: np.ndarray, shrunk: int) -> np.ndarray:
    side, stride = BLOCK // shrunk, STRIDE // shrunk
    windows = sliding_window_view(levels, (side, side))[::stride, ::stride]
    return windows.reshape(-1, side, side)


def _of_blocks(blocks: np.ndarray) -> np.ndarray:
    """Eighteen features of each block: of its levels, and of products of neighbors."""
    shape, left, right = _fit(blocks)
    columns = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        shape, left, right = _fit(blocks * np.roll(blocks, shift, axis=(1, 2)))
        mean = (right - left) * np.exp(gammaln(2 / shape) - gammaln(1 / shape))
        columns += [shape, mean, left, right]
    return np.stack(columns, axis=1)


def _fit(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shape, left and right scale of the asymmetric generalized Gaussian of each block's values.

    By moments. A block without variation has the least shape and no width, where the authors' code
    leaves it out: so also a flat picture has a value.
    """
    values = blocks.reshape(len(blocks), -1)
    squares = values**2
    left, right = (
        np.sqrt((squares * side).sum(axis=1) / np.maximum(side.sum(axis=1), 1))
        for side in (values < 0, values > 0)
    )
    skew = left / np.maximum(right, _EPSILON)
    ratio = np.abs(values).mean(axis=1) ** 2 / np.maximum(squares.mean(axis=1), _EPSILON)
    ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    after = np.clip(np.searchsorted(_RATIOS, ratio), 1, len(_RATIOS) - 1)
    nearer = ratio - _RATIOS[after - 1] < _RATIOS[after] - ratio
    shape = _SHAPES[after - nearer]
    scale = np.exp((gammaln(1 / shape) - gammaln(3 / shape)) / 2)
    return shape, left * scale, right * scale
