"""Why a figure is not the paper's: PSNR and SSIM of one picture under each convention in use."""

import math
from pathlib import Path

import numpy as np

from srcnn.data.color import LUMA_RANGES, affine, luma
from srcnn.pictures.images import decode
from srcnn.pictures.samples import UnreadableImage
from srcnn.scoring.classical import decibels, psnr, shave, ssim

_CONVENTIONS = {
    "studio": "luma 16–235, MATLAB's rgb2ycbcr: the literature of super-resolution",
    "studio, not rounded": "the same before it is rounded to whole levels",
    "full": 'luma 0–255, Pillow\'s "L"; 1.32 dB lower for the same error',
    "RGB": "mean squared error over the three channels; SSIM as their mean",
}


def table(sr_file: Path, hr_file: Path, scale: int) -> str:
    """PSNR (dB) and SSIM of a reconstruction as lines for a terminal.

    By luma (see `srcnn.data.color.luma`) and RGB, each with nothing cut off the borders and with
    `scale` pixels cut off, as most papers do.

    Raises:
        ValueError: a file is no picture, the sizes differ, or they are too small.
        OSError: a file cannot be read.
    """
    sr, hr = map(_read, (sr_file, hr_file))
    if sr.shape != hr.shape:
        raise ValueError(
            f"{sr_file} is {sr.shape[1]}x{sr.shape[0]} pixels and {hr_file} "
            f"{hr.shape[1]}x{hr.shape[0]}; both must be of one size"
        )
    lines = []
    for border in (0, scale):
        lines += ["", f"{border} border pixels cut off", f"{'':20}  {'PSNR, dB':>8}  {'SSIM':>6}"]
        for name, values in _scores(shave(sr, border), shave(hr, border)).items():
            fidelity, similarity = values
            shown = "–" if math.isnan(similarity) else f"{similarity:.4f}"
            lines.append(f"{name:20}  {fidelity:8.2f}  {shown:>6}  {_CONVENTIONS[name]}")
    return "\n".join(lines[1:])


def _scores(sr: np.ndarray, hr: np.ndarray) -> dict[str, tuple[float, float]]:
    """PSNR and SSIM by convention; NaN where SSIM is not used with it."""
    found = {}
    for luma_range in LUMA_RANGES:
        lumas = luma(sr, luma_range), luma(hr, luma_range)
        found[luma_range] = psnr(*lumas), ssim(*lumas)
    weights, _, _ = affine("studio")
    errors = (sr.astype(float) - hr) @ weights, sr.astype(float) - hr
    unrounded, rgb = (decibels(float(np.mean(each**2))) for each in errors)
    found["studio, not rounded"] = unrounded, math.nan
    channels = [(sr[..., channel], hr[..., channel]) for channel in range(3)]
    found["RGB"] = rgb, float(np.mean([ssim(*pair) for pair in channels]))
    return {name: found[name] for name in _CONVENTIONS}


def _read(file: Path) -> np.ndarray:
    """RGB, uint8 (H, W, 3); gray as three equal channels."""
    try:
        picture = decode(file.read_bytes())
    except UnreadableImage as error:
        raise ValueError(f"{file}: {error}") from None
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
