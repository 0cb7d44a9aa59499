"""Test pictures by several methods side by side, at print size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from srcnn.figures.sheets import enlarged, hardest_window
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
    aspects = [np.divide(*row["HR"].picture.shape) for row in rows]
    heights = [part * side for aspect in aspects for part in (aspect, 1.0)]
    titles = ["\n".join(lines(name, side * DPI, _TITLE_SIZE)) for name in names]
    title = _TITLE_LINE * (1 + max(text.count("\n") for text in titles)) + 0.08
    captions = _CAPTION * len(heights)
    total = title + sum(heights) + captions
    grid = {
        "height_ratios": heights,
        "hspace": captions / sum(heights),
        "wspace": 0.04,
        "left": 0.0,
        "right": 1.0,
        "top": 1 - title / total,
        "bottom": _CAPTION / total,
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, total))
        cells = figure.subplots(len(heights), len(names), squeeze=False, gridspec_kw=grid)
        for axes, text in zip(cells[0], titles, strict=True):
            axes.set_title(text, size=_TITLE_SIZE, loc="center", weight="normal", pad=3)
        for row, wholes, parts in zip(rows, cells[::2], cells[1::2], strict=True):
            hr = row["HR"].picture
            edge = max(scale, min(hr.shape) // 4)
            window = high, wide = hardest_window(row["bicubic"].picture, hr, edge, scale)
            corner = wide.start - 0.5, high.start - 0.5
            frame = corner, wide.stop - wide.start, high.stop - high.start
            for name, whole, part in zip(names, wholes, parts, strict=True):
                picture = row[name].picture
                picture = enlarged(picture, hr.shape[0] // picture.shape[0])
                whole.add_patch(Rectangle(*frame, fill=False, edgecolor=ORANGE, linewidth=0.6))
                _show(whole, picture, row[name].captions[0])
                _show(part, picture[window], row[name].captions[1])
        return figure


def _show(axes: Axes, picture: np.ndarray, caption: str) -> None:
    axes.set_axis_off()
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.text(0.5, -0.02, caption, transform=axes.transAxes, size=6, ha="center", va="top")
