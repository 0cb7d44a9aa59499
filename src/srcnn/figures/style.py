"""What all figures share: type, colours, and how they become files."""

import io
import textwrap

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DPI = 160

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, VERMILION, ORANGE, GRAY = "#0072B2", "#D55E00", "#E69F00", "#6E6E6E"
INK = "#222222"

# On top of Matplotlib's own defaults: a user's matplotlibrc must not change the figures.
STYLE = mpl.rcParamsDefault | {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "figure.dpi": DPI,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 3,
    "xtick.color": INK,
    "xtick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": 7.5,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
}


def lines(text: str, width: float, size: float) -> list[str]:
    """A text broken into lines.

    Args:
        text: in the figures' type.
        width: of the longest line, at most, in screen pixels.
        size: of the type, in points.
    """
    letter = 0.57 * size * DPI / 72  # on average
    return textwrap.wrap(text, int(width / letter))


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    canvas = FigureCanvasAgg(figure)
    with mpl.rc_context(STYLE):
        canvas.draw()
    # Matplotlib's own PNG names its version and has an alpha channel nobody needs.
    pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", dpi=(DPI, DPI))
    return file.getvalue()


def encoded(figure: Figure, kind: str) -> bytes:
    """The figure as a file; the same figure gives the same bytes.

    Args:
        figure: what was drawn.
        kind: "png", "svg" or "pdf".
    """
    if kind == "png":
        return png(figure)
    file = io.BytesIO()
    date = {"svg": "Date", "pdf": "CreationDate"}[kind]
    with mpl.rc_context(STYLE | {"svg.hashsalt": "srcnn"}):
        figure.savefig(file, format=kind, metadata={date: None})
    return file.getvalue()
