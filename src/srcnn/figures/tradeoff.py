"""The trade-off between fidelity and perceptual quality over several networks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from srcnn.figures.style import BLUE, GRAY, INK, STYLE, VERMILION
from srcnn.scoring.measures import Measure

_COLOURS = (VERMILION, BLUE, "#009E73", "#CC79A7", "#E69F00")
_MARKERS = ("o", "s", "^", "D", "v")

# Where a label may stand beside its point, to the right and up, the best first.
_PLACES = ((0, 1), (1, 1), (1, 0), (-1, 1), (1, -1), (0, -1), (-1, -1), (-1, 0))
_ALIGNED = {-1: "right", 0: "center", 1: "left"}
_ALIGNED_UP = {-1: "top", 0: "center", 1: "bottom"}


@dataclass(frozen=True)
class Point:
    """A network on the test pictures.

    Attributes:
        label: what to write beside it, such as the weight of its perceptual loss.
        psnr: mean, dB.
        measure: mean of another measure.
    """

    label: str
    psnr: float
    measure: float


def tradeoff(
    series: Mapping[str, Sequence[Point]], bicubic: Point, measure: Measure, subtitle: str
) -> Figure:
    """PSNR against another measure, a line for each kind of loss; better is up and right.

    Args:
        series: for each kind, its networks by rising weight.
        bicubic: bicubic interpolation on the same pictures.
        measure: the other measure.
        subtitle: what the results are of.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 4.4), layout="constrained")
        axes = figure.subplots()
        for k, (name, points) in enumerate(series.items()):
            axes.plot(
                [point.measure for point in points],
                [point.psnr for point in points],
                color=_COLOURS[k % len(_COLOURS)],
                marker=_MARKERS[k % len(_MARKERS)],
                markersize=4.5,
                label=name,
            )
        if measure.of_original is not None:
            axes.axvline(measure.of_original, color=GRAY, linestyle=":", linewidth=1, label="HR")
        axes.plot(bicubic.measure, bicubic.psnr, "x", color=GRAY, label=bicubic.label, markersize=6)
        if not measure.higher_is_better:
            axes.invert_xaxis()
        axes.margins(0.12)
        axes.set(
            title=f"PSNR against {measure.title}",
            xlabel=f"{measure.heading}; {measure.direction}, better is to the right",
            ylabel="PSNR in dB",
        )
        figure.legend(
            title=subtitle, title_fontsize=7.5, loc="outside lower left", alignment="left"
        )
        figure.draw_without_rendering()  # now it is known where everything is
        _label(axes, dict.fromkeys(point for points in series.values() for point in points))
        return figure


def _label(axes: Axes, points: Iterable[Point]) -> None:
    """Write a label beside each point, where it lies on no line and on no other label."""
    lines = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
    written: list[Bbox] = []
    for point in points:
        text = axes.annotate(
            point.label,
            (point.measure, point.psnr),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=7.5,
            color=INK,
        )

        def box(place: tuple[int, int], text: Annotation = text) -> Bbox:
            right, up = place
            text.xyann = (6 * right, 6 * up)
            text.set(ha=_ALIGNED[right], va=_ALIGNED_UP[up])
            return text.get_window_extent().padded(2)

        def hits(place: tuple[int, int]) -> int:
            covered = box(place)
            crossed = sum(
                line.intersects_bbox(covered, filled=False)
                or bool(covered.count_contains(line.vertices))
                for line in lines
            )
            return crossed + covered.count_overlaps(written)

        written.append(box(min(_PLACES, key=hits)))
