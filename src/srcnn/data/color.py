"""Luma: the one channel that is super-resolved, from a gray or RGB picture.

Both ranges are BT.601 and are computed in integers, so they round the same on every machine: full
range, by Pillow, and limited range, called `studio`.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

Levels = TypeVar("Levels", np.ndarray, "torch.Tensor")

LUMA_RANGES = ("full", "studio")

# Pillow's convert("L"): 0.299, 0.587, 0.114 in units of 2**-16; they add up to one exactly.
_FULL_WEIGHTS = (19595, 38470, 7471)
# MATLAB's rgb2ycbcr: Y = 16 + 65.481 R + 128.553 G + 24.966 B with R, G, B in [0, 1].
_STUDIO_WEIGHTS = (65481, 128553, 24966)
_STUDIO_UNIT = 255_000


def luma(picture: np.ndarray, luma_range: str) -> np.ndarray:
    """The luma of a picture, uint8 (H, W).

    Args:
        picture: uint8, gray (H, W) or RGB (H, W, 3). Gray stands for R = G = B.
        luma_range: "full" is 0..255, Pillow's `convert("L")`: gray stays as it is. "studio" is
            16..235, MATLAB's `rgb2ycbcr`, in which the literature scores; the same error reads
            20 log10(255 / 219) = 1.32 dB better in it.

    Raises:
        ValueError: another dtype, shape or range.
    """
    if luma_range not in LUMA_RANGES:
        raise ValueError(f"luma range is {luma_range!r}; allowed: {', '.join(LUMA_RANGES)}")
    if picture.dtype != np.uint8 or not (
        picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    ):
        raise ValueError(
            f"the picture is {picture.dtype} {picture.shape}; "
            "it must be uint8 of shape (H, W) or (H, W, 3)"
        )
    if luma_range == "full":
        if picture.ndim == 2:
            return picture
        return np.array(Image.fromarray(picture).convert("L"))
    if picture.ndim == 2:
        scaled = np.multiply(picture, sum(_STUDIO_WEIGHTS), dtype=np.uint32)
    else:  # one channel at a time, twice as fast as a conversion of all three
        scaled = sum(
            np.multiply(picture[..., channel], weight, dtype=np.uint32)
            for channel, weight in enumerate(_STUDIO_WEIGHTS)
        )
    return ((scaled + (16 * _STUDIO_UNIT + _STUDIO_UNIT // 2)) // _STUDIO_UNIT).astype(np.uint8)


def affine(luma_range: str) -> tuple[np.ndarray, float, float]:
    """A luma in [0, 1] as an affine function of R, G and B in [0, 1], not rounded.

    Returns:
        The weights of R, G and B, (3,); what is added to their sum; and by how much R, G and B each
        change where the luma changes by 1.
    """
    if luma_range == "full":
        return np.array(_FULL_WEIGHTS) / 2**16, 0.0, 1.0
    return np.array(_STUDIO_WEIGHTS) / _STUDIO_UNIT, 16 / 255, 255 / 219


def full_range(levels: Levels, luma_range: str) -> Levels:
    """The gray that a luma shows: black is 0 and white 1, as networks for pictures expect them.

    Args:
        levels: luma divided by 255, floating point of any shape.
        luma_range: "full", returned as it is, or "studio", whose 16 is black and whose 235 white.

    Returns:
        The same kind and shape; what is darker than black or brighter than white stays so.
    """
    return levels if luma_range == "full" else (levels * 255 - 16) / 219
