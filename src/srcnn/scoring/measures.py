"""What SR is measured by: the one table, of which each entry says how it is shown and computed.

What stands in it is taken by `evaluate` and by the demo, and is shown wherever results are. The
functions are in `srcnn.scoring.classical` and `srcnn.scoring.learned`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from srcnn.scoring.classical import GMSD_MINIMUM, SSIM_WINDOW, finite_psnr, gmsd, lr_psnr, ssim

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Context:
    """What the functions of measures are made for.

    Attributes:
        device: where a network computes.
        vgg19: whose VGG19 the distance is of, see `vgg19.load`; torchvision's ("imagenet") is never
            downloaded for it: where it is not in torch's cache the embedded one takes its place.
        download: whether LPIPS may download its AlexNet.
        alexnet: a file with it; None: the one in torch's cache.
        scale: the enlargement, if one is known.
        natural: pictures that show what is natural, uint8 (H, W): originals, but not of those that
            are measured.
        luma: their range, "full" or "studio".
    """

    device: "str | torch.device" = "cpu"
    vgg19: str | Path = "embedded"
    download: bool = False
    alexnet: Path | None = None
    scale: int | None = None
    natural: Sequence[np.ndarray] = ()
    luma: str = "full"


@dataclass(frozen=True)
class Function:
    """What computes a measure.

    Attributes:
        take: the measure of a luma and its original, or of a luma alone where none is needed, each
            uint8 (H, W); the last argument is their range, "full" or "studio".
        smallest: pixels on each side that a picture must have.
        weights: whose they are, where it looks through a network that may have others, or what else
            it was fitted to; values of different weights cannot be compared.
    """

    take: Callable[..., float]
    smallest: int = 1
    weights: str | None = None


@dataclass(frozen=True)
class Measure:
    """A measure of SR.

    Attributes:
        name: in per_image.csv, evaluation.json and MLflow.
        title: its usual name.
        make: its function; a ValueError or ImportError says why there is none here.
        unit: "dB", or "" of a pure number.
        decimals: how many are shown.
        higher_is_better: whether more of it is better.
        learned: whether it looks through a trained network, which takes time: it is taken of a
            sample where there are many pictures.
        needs_original: whether it compares with the original; else it is of SR by itself.
        of_original: what the original itself gets; None: no finite or no fixed value.
    """

    name: str
    title: str
    make: Callable[[Context], Function]
    unit: str = ""
    decimals: int = 4
    higher_is_better: bool = False
    learned: bool = False
    needs_original: bool = True
    of_original: float | None = None

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        return f"{'higher' if self.higher_is_better else 'lower'} is better"

    @property
    def heading(self) -> str:
        """Title and unit, for the head of a column."""
        return f"{self.title}{self.unit and ', '}{self.unit}"

    def number(self, value: float, signed: bool = False) -> str:
        """A value without its unit, with a true minus sign."""
        return f"{value:{'+' if signed else ''}.{self.decimals}f}".replace("-", "−")

    def text(self, value: float, signed: bool = False) -> str:
        """A value with its unit."""
        return f"{self.number(value, signed)}{self.unit and ' '}{self.unit}"

    def gain(self, value: float, baseline: float) -> float:
        """How much better a value is than another; positive is better, for every measure."""
        return value - baseline if self.higher_is_better else baseline - value


def _of_levels(function: Callable[..., float], smallest: int = 1) -> Callable[[Context], Function]:
    """Of gray levels as they are, whatever their range."""
    return lambda _: Function(lambda sr, hr, _: function(sr, hr), smallest)


def _lr_psnr(context: Context) -> Function:
    scale = context.scale
    if scale is None:
        raise ValueError("the scale is not known")
    return Function(lambda sr, hr, _: lr_psnr(sr, hr, scale), scale)


def _niqe(context: Context) -> Function:
    from srcnn.scoring.niqe import SMALLEST, fitted_niqe

    niqe = fitted_niqe(context.natural, context.luma)
    return Function(niqe, SMALLEST, niqe.fitted_to)


def _vgg19(context: Context) -> Function:
    from srcnn.perceptual.pretrained import is_cached
    from srcnn.scoring.learned import VGGDistance

    weights = context.vgg19
    if weights == "imagenet" and not is_cached("vgg19"):
        weights = "embedded"
    distance = VGGDistance(weights, context.device)
    return Function(distance, distance.smallest, distance.weights)


def _sifid(context: Context) -> Function:
    from srcnn.scoring.learned import SIFID

    return Function(SIFID(context.device), SIFID.smallest)


def _lpips(context: Context) -> Function:
    from srcnn.scoring.learned import LPIPS

    lpips = LPIPS(context.download, context.device, context.alexnet)
    return Function(lpips, lpips.smallest, lpips.weights)


PSNR = Measure("psnr", "PSNR", _of_levels(finite_psnr), "dB", decimals=2, higher_is_better=True)
SSIM = Measure("ssim", "SSIM", _of_levels(ssim, SSIM_WINDOW), higher_is_better=True, of_original=1)
GMSD = Measure("gmsd", "GMSD", _of_levels(gmsd, GMSD_MINIMUM), of_original=0)
LR_PSNR = Measure("lr_psnr", "LR-PSNR", _lr_psnr, "dB", decimals=2, higher_is_better=True)
NIQE = Measure("niqe", "NIQE", _niqe, decimals=2, needs_original=False)
SIFID = Measure("sifid", "SIFID", _sifid, decimals=1, learned=True, of_original=0)
VGG19 = Measure("vgg19", "VGG19 distance", _vgg19, learned=True, of_original=0)
LPIPS = Measure("lpips", "LPIPS", _lpips, learned=True, of_original=0)

MEASURES = {
    measure.name: measure for measure in (PSNR, SSIM, GMSD, LR_PSNR, VGG19, LPIPS, SIFID, NIQE)
}
"""Every measure, by name, in the order in which they are shown."""

PERCEPTUAL = (LPIPS, VGG19, GMSD)
"""The measures of networks trained with a perceptual loss, the most trusted first.

PSNR and SSIM, which reward blur where detail is uncertain, are not among them. LPIPS looks through
another network than the loss does; GMSD, which needs no network, punishes any displaced gradient.
"""


def measures_among(columns: Collection[str]) -> list[Measure]:
    """The measures among the columns of per-picture scores, or the keys of a summary."""
    return [m for name, m in MEASURES.items() if {name, f"{name}_bicubic"} <= set(columns)]
