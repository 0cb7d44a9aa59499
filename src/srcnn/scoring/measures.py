"""What SR is measured by: the one table of names, units, decimals and directions.

How a measure is computed is in `srcnn.scoring.classical` and `srcnn.scoring.learned`.
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure of SR against HR.

    Attributes:
        name: in per_image.csv, evaluation.json and MLflow.
        title: its usual name.
        unit: "dB", or "" of a pure number.
        decimals: how many are shown.
        higher_is_better: whether more of it is better.
        learned: whether it looks through a trained network, whose weights may not be there.
    """

    name: str
    title: str
    unit: str = ""
    decimals: int = 4
    higher_is_better: bool = False
    learned: bool = False

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return "↑" if self.higher_is_better else "↓"

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


PSNR = Measure("psnr", "PSNR", unit="dB", decimals=2, higher_is_better=True)
SSIM = Measure("ssim", "SSIM", higher_is_better=True)
GMSD = Measure("gmsd", "GMSD")
VGG19 = Measure("vgg19", "VGG19 distance", learned=True)
LPIPS = Measure("lpips", "LPIPS", learned=True)

MEASURES = {measure.name: measure for measure in (PSNR, SSIM, GMSD, VGG19, LPIPS)}
"""Every measure, by name, in the order in which they are shown."""

JUDGES = (LPIPS, VGG19, GMSD)
"""The judges of networks trained with a perceptual loss, the most trusted first.

PSNR and SSIM, which reward blur where detail is uncertain, are not among them. LPIPS looks through
another network than the loss does; GMSD, which needs no network, punishes any displaced gradient.
"""


def measure(name: str) -> Measure:
    """A measure by its name; one of newer code is shown as a number of which lower is better."""
    return MEASURES.get(name) or Measure(name, name)


def measures_among(columns: Collection[str]) -> list[Measure]:
    """The measures among the columns of per-picture scores: those with a twin `_bicubic`."""
    return [measure(name) for name in columns if f"{name}_bicubic" in columns]
