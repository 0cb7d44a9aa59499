"""Sheets of pictures: reconstructions beside their originals, and the snapshots of a training.

Every pixel of a picture is drawn as a square of whole screen pixels: nothing is smoothed that
could be taken for the network's work. Only pictures too large for their cell are shrunk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from srcnn.figures.style import DPI, INK, ORANGE, STYLE, lines
from srcnn.scoring.classical import finite_psnr
from srcnn.scoring.measures import PSNR, SSIM
from srcnn.scoring.scores import Score

Window = tuple[slice, slice]  # rows and columns

_WINDOW = 64  # picture pixels

# Points. A sheet is wide, and a page that shows it makes it narrower.
_HEAD, _CAPTION, _NOTE = 11, 10, 9.5
# Screen pixels
_GAP, _HEAD_HEIGHT, _CAPTION_HEIGHT, _NOTE_HEIGHT = 12, 40, 44, 34


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
    of_columns = integral[:, width::scale] - integral[:, :-width:scale]
    sums = of_columns[height::scale] - of_columns[:-height:scale]
    row, column = np.unravel_index(np.argmax(sums), sums.shape)
    top, left = int(row) * scale, int(column) * scale
    return slice(top, top + height), slice(left, left + width)


def enlarged(lr: np.ndarray, scale: int) -> np.ndarray:
    """A picture, (h, w), with each pixel as a square of pixels, (h · scale, w · scale)."""
    return lr.repeat(scale, axis=0).repeat(scale, axis=1)


def reconstructions(examples: Sequence[Example], scale: int, luma: str, loss: str = "") -> Figure:
    """LR, bicubic, SRCNN, HR and error map of each example: whole, and a window of them enlarged.

    Args:
        examples: from top to bottom.
        scale: enlargement.
        luma: the range of the pictures' luma.
        loss: what the network was trained with, in words.
    """
    brightest = max(1, max(int(error_map(e.sr, e.hr).max()) for e in examples) // 2)
    heads = (f"LR, 1/{scale}", "Bicubic", "SRCNN", "HR", "|SRCNN − HR|")
    rows = [row for example in examples for row in _reconstruction(example, scale, brightest)]
    note = (
        f"Test pictures by their PSNR gain over bicubic, ×{scale}. PSNR in dB and SSIM are of "
        f"{luma} luma without {scale} pixels of the border. Enlarged: the window in which "
        f"bicubic errs most. Errors are brightest from {brightest} gray levels on."
    )
    return _grid(heads, rows, 256, note, loss)


def _reconstruction(
    example: Example, scale: int, brightest: int
) -> tuple[list["_Cell"], list["_Cell"]]:
    """An example's whole pictures, and the window of each."""
    window = hardest_window(example.baseline, example.hr, _WINDOW, scale)
    errors = error_map(example.sr, example.hr)
    magma = mpl.colormaps["magma"](np.minimum(errors / brightest, 1), bytes=True)[..., :3]
    score = example.score
    is_better = score.gain(PSNR) > 0
    small, large = (f"{p.shape[1]} × {p.shape[0]}" for p in (example.lr, example.hr))
    shown = (
        (enlarged(example.lr, scale), small, False),
        (example.baseline, _caption(score.bicubic), not is_better),
        (example.sr, _caption(score.sr), is_better),
        (example.hr, large, False),
        (magma, f"mean {errors.mean():.1f}", False),
    )
    titles = [example.title, *[""] * (len(shown) - 1)]
    rows, columns = (slice(0, part.stop - part.start) for part in window)
    return (
        [_Cell(each[0], title, True, window) for each, title in zip(shown, titles, strict=True)],
        [_Cell(each[window], text, bold, (rows, columns)) for each, text, bold in shown],
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
    heads = ["Bicubic", *(f"step {step:,}" for step in steps), "HR"]
    rows = []
    for n, original in enumerate(hr):
        window = hardest_window(bicubic[n], original, _WINDOW, 1)
        *shown, of_hr = (each[window] for each in (bicubic[n], *sr[:, n], original))
        cells = [_Cell(each, PSNR.text(finite_psnr(each, of_hr))) for each in shown]
        split = "training" if in_training[n] else "validation"
        rows.append([*cells, _Cell(of_hr, f"{split} picture")])
    note = (
        f"Pictures in the course of the training, ×{scale}: the windows in which bicubic errs "
        f"most, and the PSNR of what is shown ({luma} luma)."
    )
    return _grid(heads, rows, 192, note, loss)


def _caption(values: Mapping[str, float]) -> str:
    return " / ".join(measure.text(values[measure.name]) for measure in (PSNR, SSIM))


@dataclass(frozen=True)
class _Cell:
    """A picture of a sheet, uint8 (H, W) or (H, W, 3), and what stands below it.

    Attributes:
        picture: what is shown.
        caption: the words.
        bold: how they are written.
        frame: the part of the picture that is framed.
    """

    picture: np.ndarray
    caption: str
    bold: bool = False
    frame: Window | None = None


def _grid(
    heads: Sequence[str], rows: Sequence[Sequence[_Cell]], side: int, note: str, loss: str
) -> Figure:
    """A sheet of cells with a head above each column: Pillow pastes pixels, Matplotlib writes."""
    width = len(heads) * (side + _GAP) + _GAP
    broken = lines(f"{note} Loss: {loss}." if loss else note, width - 2 * _GAP, _NOTE)
    bottom = _HEAD_HEIGHT + len(rows) * (side + _CAPTION_HEIGHT) + _GAP
    height = bottom + len(broken) * _NOTE_HEIGHT + _GAP
    canvas = Image.new("RGB", (width, height), "white")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

        def write(x: float, y: float, text: str, size: float, **style: Any) -> None:
            figure.text(x / width, 1 - y / height, text, size=size, color=INK, **style)

        for column, head in enumerate(heads):
            x = _GAP + column * (side + _GAP)
            write(x + side / 2, _HEAD_HEIGHT - 12, head, _HEAD, ha="center", weight="bold")
            for row, cells in enumerate(rows):
                y = _HEAD_HEIGHT + row * (side + _CAPTION_HEIGHT)
                _paste(canvas, x, y, side, cells[column])
                weight = "bold" if cells[column].bold else "normal"
                middle = (x + side / 2, y + side + 26)
                write(*middle, cells[column].caption, _CAPTION, ha="center", weight=weight)
        for k, line in enumerate(broken):
            write(_GAP, bottom + k * _NOTE_HEIGHT, line, _NOTE, va="top")
        figure.figimage(np.asarray(canvas), origin="upper")
        return figure


def _paste(canvas: Image.Image, x: int, y: int, side: int, cell: _Cell) -> None:
    """Put a cell's picture into the middle of a square."""
    height, width = cell.picture.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        factor = int(factor)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    resample = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    x, y = x + (side - size[0]) // 2, y + (side - size[1]) // 2
    canvas.paste(Image.fromarray(cell.picture).convert("RGB").resize(size, resample), (x, y))
    if cell.frame:
        ends = ((round(part.start * factor), round(part.stop * factor)) for part in cell.frame)
        (top, bottom), (left, right) = ends
        box = (x + left, y + top, x + right - 1, y + bottom - 1)
        ImageDraw.Draw(canvas).rectangle(box, outline=ORANGE, width=2)
