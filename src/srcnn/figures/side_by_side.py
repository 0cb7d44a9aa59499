"""Test pictures by several methods side by side, at print size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from srcnn.figures.sheets import hardest_window
from srcnn.figures.style import DPI, ORANGE, STYLE, lines

_WIDTH = 6.7  # inches: the text of an A4 page
_CAPTION = 0.18  # inches, as the next
_TITLE_LINE, _TITLE_SIZE = 0.13, 8  # the latter in points


@dataclass(frozen=True)
class Reconstructed:
    """A picture by one method.

    Attributes:
        picture: uint8 (H, W); of LR (h, w).
        captions: what stands under the whole picture and under its window.
    """

    picture: np.ndarray
    captions: tuple[str, str] = ("", "")


def side_by_side(rows: Sequence[Mapping[str, Reconstructed]], scale: int) -> Figure:
    """Whole pictures and, below each, the quarter in which bicubic errs most.

    Args:
        rows: of each picture what each method made of it, by the method's name: "LR", "bicubic",
            others, "HR", the same names in every row.
        scale: enlargement.
    """
    names = list(rows[0])
    side = _WIDTH / len(names)
    heights = [part * side + _CAPTION for row in rows for part in (_aspect(row), 1.0)]
    titles = [lines(name, side * DPI, _TITLE_SIZE) for name in names]
    title = _TITLE_LINE * max(map(len, titles)) + 0.08
    total = title + sum(heights)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, total))

        def cell(column: int, line: int) -> Axes:
            top = title + sum(heights[:line])
            high = heights[line] - _CAPTION
            left, bottom = (column + 0.02) / len(names), 1 - (top + high) / total
            axes = figure.add_axes((left, bottom, 0.96 / len(names), 0.97 * high / total))
            axes.set_axis_off()
            return axes

        for column, name in enumerate(names):
            figure.text(
                (column + 0.5) / len(names),
                1 - (title - 0.05) / total,
                "\n".join(titles[column]),
                size=_TITLE_SIZE,
                ha="center",
            )
            for k, row in enumerate(rows):
                hr = row["HR"].picture
                edge = max(scale, min(hr.shape) // 4)
                window = hardest_window(row["bicubic"].picture, hr, edge, scale)
                shown = row[name]
                factor = hr.shape[0] // shown.picture.shape[0]
                top, left, height, width = (length // factor for length in window)
                part = shown.picture[top : top + height, left : left + width]
                whole = cell(column, 2 * k)
                _show(whole, shown.picture, shown.captions[0])
                frame = (left - 0.5, top - 0.5), width, height
                whole.add_patch(Rectangle(*frame, fill=False, edgecolor=ORANGE, linewidth=0.6))
                _show(cell(column, 2 * k + 1), part, shown.captions[1])
        return figure


def _aspect(row: Mapping[str, Reconstructed]) -> float:
    height, width = row["HR"].picture.shape
    return height / width


def _show(axes: Axes, picture: np.ndarray, caption: str) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.text(0.5, -0.02, caption, transform=axes.transAxes, size=6, ha="center", va="top")
