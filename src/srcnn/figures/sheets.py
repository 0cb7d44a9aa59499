"""Sheets of pictures: reconstructions beside their originals, and the snapshots of a training.

Every pixel of a picture is drawn as a square of whole screen pixels: nothing is smoothed that
could be taken for the network's work. Only pictures too large for their cell are shrunk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from srcnn.figures.style import DPI, INK, ORANGE, STYLE, lines
from srcnn.scoring.classical import finite_psnr
from srcnn.scoring.measures import PSNR, SSIM
from srcnn.scoring.scores import Score

Window = tuple[int, int, int, int]  # top, left, height, width in pixels

_CELL = 256  # screen pixels
_GAP = 12
_WINDOW = 64  # picture pixels

# Points. A sheet is wide, and a page that shows it makes it narrower.
_HEAD, _CAPTION, _NOTE = 11, 10, 9.5
_NOTE_LINE = 34  # screen pixels


@dataclass(frozen=True)
class Example:
    """One picture of the reconstruction sheet.

    Attributes:
        title: what it stands for, such as "best".
        lr: uint8 (h, w).
        baseline: the bicubic enlargement, uint8 (h · scale, w · scale), as are sr and hr.
        sr: the network's picture.
        hr: the original.
        score: the picture's measures.
    """

    title: str
    lr: np.ndarray
    baseline: np.ndarray
    sr: np.ndarray
    hr: np.ndarray
    score: Score


def error_map(sr: np.ndarray, hr: np.ndarray) -> np.ndarray:
    """|SR - HR| in gray levels, uint8 (H, W), from two uint8 pictures."""
    return np.abs(sr.astype(np.int16) - hr).astype(np.uint8)


def hardest_window(baseline: np.ndarray, hr: np.ndarray, size: int, scale: int) -> Window:
    """The window in which bicubic errs most: the greatest sum of squared errors.

    So the crop is chosen by what there is to gain, never by how well the network does.

    Args:
        baseline: the bicubic enlargement, uint8 (H, W).
        hr: uint8 (H, W).
        size: height and width sought, in pixels; less where the picture is smaller.
        scale: the window lies on this grid, so that it covers whole LR pixels.
    """
    errors = error_map(baseline, hr).astype(np.float64) ** 2
    height, width = (min(size, side) // scale * scale for side in hr.shape)
    integral = np.pad(errors, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    below = integral[height::scale]
    right = slice(width, None, scale)
    above = integral[: integral.shape[0] - height : scale]
    left = slice(0, integral.shape[1] - width, scale)
    sums = below[:, right] - above[:, right] - below[:, left] + above[:, left]
    row, column = np.unravel_index(np.argmax(sums), sums.shape)
    return int(row) * scale, int(column) * scale, height, width


def reconstructions(examples: Sequence[Example], scale: int, luma: str, loss: str = "") -> Figure:
    """LR, bicubic, SRCNN, HR and error map of each example: whole, and a window of them enlarged.

    Args:
        examples: from top to bottom.
        scale: enlargement.
        luma: the range of the pictures' luma.
        loss: what the network was trained with, in words.
    """
    left = 34
    top = 40
    bar = 112
    caption = 40
    block = 2 * _CELL + _GAP + caption + 18
    width = left + 5 * _CELL + 4 * _GAP + bar
    note = lines(
        f"Test pictures by their PSNR gain over bicubic, ×{scale}. PSNR in dB and SSIM are of "
        f"{luma} luma without {scale} pixels of the border. Enlarged: the window in which "
        "bicubic errs most." + _of_loss(loss),
        width - left - _GAP,
        _NOTE,
    )
    with mpl.rc_context(STYLE):
        sheet = _Sheet(width, top + len(examples) * block + len(note) * _NOTE_LINE + _GAP)
        columns = [left + k * (_CELL + _GAP) for k in range(5)]
        brightest = max(1, max(int(error_map(e.sr, e.hr).max()) for e in examples) // 2)
        names = (f"LR, 1/{scale}", "Bicubic", "SRCNN", "HR", "|SRCNN − HR|")
        for x, name in zip(columns, names, strict=True):
            sheet.text(x + _CELL / 2, top - 12, name, ha="center", weight="bold", size=_HEAD)
        for k, example in enumerate(examples):
            y = top + k * block
            sheet.text(
                left - 14,
                y + _CELL / 2,
                example.title,
                ha="center",
                va="center",
                rotation=90,
                size=_CAPTION,
            )
            _reconstruction(sheet, columns, y, example, scale, brightest)
        x = columns[-1] + _CELL + 16
        gradient = np.tile(np.arange(255, -1, -1)[:, None], 14)
        sheet.picture(x, top, 14, _CELL, gradient, "magma")
        for level, anchor in ((brightest, "top"), (0, "bottom")):
            at = top + (0 if level else _CELL)
            sheet.text(x + 20, at, f"≥ {level}" if level else "0", va=anchor, size=_NOTE)
        sheet.text(x + 20, top + _CELL / 2, "gray\nlevels", va="center", size=_NOTE)
        sheet.note(left, top + len(examples) * block, note)
        return sheet.figure


def _reconstruction(
    sheet: "_Sheet",
    columns: Sequence[int],
    y: float,
    example: Example,
    scale: int,
    brightest: int,
) -> None:
    window = hardest_window(example.baseline, example.hr, _WINDOW, scale)
    errors = error_map(example.sr, example.hr)
    gray = ("gray", 255)
    magma = ("magma", brightest)
    score = example.score
    height, width = example.hr.shape
    small_height, small_width = example.lr.shape
    better = example.sr if score.gain(PSNR) > 0 else example.baseline
    cells = (
        (example.lr, gray, f"{small_width} × {small_height}"),
        (example.baseline, gray, _caption(score.bicubic)),
        (example.sr, gray, _caption(score.sr)),
        (example.hr, gray, f"{width} × {height}"),
        (errors, magma, f"mean {errors.mean():.1f}"),
    )
    for x, (picture, colours, caption) in zip(columns, cells, strict=True):
        unit = scale if picture is example.lr else 1
        whole = sheet.picture(x, y, _CELL, _CELL, picture, *colours, unit)
        top, left, high, wide = (side // unit for side in window)
        corner = (left - 0.5, top - 0.5)
        whole.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor=ORANGE, linewidth=1))
        below = y + _CELL + _GAP
        crop = _cut(picture, (top, left, high, wide))
        axes = sheet.picture(x, below, _CELL, _CELL, crop, *colours, unit)
        axes.spines[:].set(visible=True, color=ORANGE, linewidth=1)
        weight = "bold" if picture is better else "normal"
        sheet.text(
            x + _CELL / 2, below + _CELL + 28, caption, ha="center", size=_CAPTION, weight=weight
        )


def snapshots(
    steps: np.ndarray,
    sr: np.ndarray,
    bicubic: np.ndarray,
    hr: np.ndarray,
    in_training: np.ndarray,
    scale: int,
    luma: str,
    loss: str = "",
) -> Figure:
    """The same windows of pictures as the network saw them along its training.

    Args:
        steps: int (S,), rising.
        sr: uint8 (S, N, h, w).
        bicubic: the bicubic enlargements, uint8 (N, h, w), as is hr.
        hr: the originals.
        in_training: bool (N,), whether the network learns from the picture; else it is validated.
        scale: enlargement.
        luma: the range of the pictures' luma.
        loss: what the network was trained with, in words.
    """
    cell = 192
    gap = 8
    margin = 10
    top = 40
    caption = 40
    shown = [bicubic, *sr, hr]
    names = ["Bicubic", *(f"step {step:,}" for step in steps), "HR"]
    columns = [margin + k * (cell + gap) for k in range(len(shown))]
    columns[1:] = [x + gap for x in columns[1:]]  # bicubic and HR stand apart
    columns[-1] += gap
    width = columns[-1] + cell + margin
    note = lines(
        f"Pictures in the course of the training, ×{scale}: the windows in which bicubic errs "
        f"most, and the PSNR of what is shown ({luma} luma)." + _of_loss(loss),
        width - 2 * margin,
        _NOTE,
    )
    bottom = top + len(hr) * (cell + caption) + gap
    with mpl.rc_context(STYLE):
        sheet = _Sheet(width, bottom + len(note) * _NOTE_LINE + margin)
        for x, name in zip(columns, names, strict=True):
            sheet.text(x + cell / 2, top - 12, name, ha="center", weight="bold", size=_HEAD)
        for n, original in enumerate(hr):
            window = hardest_window(bicubic[n], original, _WINDOW, 1)
            y = top + n * (cell + caption)
            for x, pictures in zip(columns, shown, strict=True):
                crop = _cut(pictures[n], window)
                sheet.picture(x, y, cell, cell, crop)
                if pictures is not hr:
                    below = PSNR.text(finite_psnr(crop, _cut(original, window)))
                else:
                    below = f"{'training' if in_training[n] else 'validation'} picture"
                sheet.text(x + cell / 2, y + cell + 26, below, ha="center", size=_CAPTION)
        sheet.note(margin, bottom, note)
        return sheet.figure


def _caption(values: Mapping[str, float]) -> str:
    return " / ".join(measure.text(values[measure.name]) for measure in (PSNR, SSIM))


def _of_loss(loss: str) -> str:
    return f" Loss: {loss}." if loss else ""


def _cut(picture: np.ndarray, window: Window) -> np.ndarray:
    top, left, height, width = window
    return picture[top : top + height, left : left + width]


class _Sheet:
    """A white page measured in screen pixels from its top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def picture(
        self,
        x: float,
        y: float,
        width: int,
        height: int,
        picture: np.ndarray,
        colours: str = "gray",
        brightest: int = 255,
        unit: int = 1,
    ) -> Axes:
        """Draw a picture in the middle of a cell, each pixel a multiple of unit wide."""
        rows, columns = (side * unit for side in picture.shape)
        factor = min(width / columns, height / rows)
        if factor >= 1:
            factor = int(factor)
        wide, high = columns * factor, rows * factor
        x, y = x + (width - wide) // 2, y + (height - high) // 2
        axes = self.figure.add_axes(
            (
                x / self._width,
                1 - (y + high) / self._height,
                wide / self._width,
                high / self._height,
            )
        )
        interpolation = "nearest" if factor >= 1 else "antialiased"
        axes.imshow(picture, colours, interpolation=interpolation, vmin=0, vmax=brightest)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        return axes

    def note(self, x: float, y: float, note: Sequence[str]) -> None:
        """Write lines below each other, the first just below y."""
        for k, line in enumerate(note):
            self.text(x, y + k * _NOTE_LINE, line, va="top", size=_NOTE)

    def text(self, x: float, y: float, text: str, va: str = "baseline", **style: Any) -> None:
        """Write a line; y is its baseline unless `va` says otherwise."""
        at = x / self._width, 1 - y / self._height
        self.figure.text(*at, text, va=va, color=INK, **style)
