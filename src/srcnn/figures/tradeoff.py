"""The trade-off between fidelity and perceptual quality over several networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from srcnn.figures.style import BLUE, GRAY, INK, STYLE, VERMILION

_COLOURS = (VERMILION, BLUE, "#009E73", "#CC79A7", "#E69F00")
_MARKERS = ("o", "s", "^", "D", "v")


@dataclass(frozen=True)
class Point:
    """A network on the test pictures.

    Attributes:
        label: what to write beside it, such as the weight of its perceptual loss.
        psnr: mean, dB.
        measure: mean of a perceptual measure, lower is better.
    """

    label: str
    psnr: float
    measure: float


def tradeoff(
    series: Mapping[str, Sequence[Point]], bicubic: Point, measure: str, subtitle: str
) -> Figure:
    """PSNR against a perceptual measure, a line for each kind of loss; better is up and right.

    Args:
        series: for each kind, its networks by rising weight.
        bicubic: bicubic interpolation on the same pictures.
        measure: the perceptual measure's name.
        subtitle: what the figures are of.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.9), layout="constrained")
        axes = figure.subplots()
        labelled: set[Point] = set()
        for k, (name, points) in enumerate(series.items()):
            axes.plot(
                [point.measure for point in points],
                [point.psnr for point in points],
                color=_COLOURS[k % len(_COLOURS)],
                marker=_MARKERS[k % len(_MARKERS)],
                markersize=4.5,
                label=name,
            )
            # Lines may share points and run close to each other.
            for point in set(points) - labelled:
                axes.annotate(
                    point.label,
                    (point.measure, point.psnr),
                    xytext=(0, -12 if k % 2 else 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7.5,
                    color=INK,
                )
            labelled |= set(points)
        axes.plot(bicubic.measure, bicubic.psnr, "x", color=GRAY, label=bicubic.label, markersize=6)
        axes.invert_xaxis()
        axes.margins(0.12)
        axes.set(
            title=f"PSNR against {measure}",
            xlabel=f"{measure}; lower is better, better is to the right",
            ylabel="PSNR in dB",
        )
        axes.legend(title=subtitle, title_fontsize=7.5, loc="best", alignment="left")
        return figure
