"""What all figures share: type, colours, and how they become files."""

import io
import textwrap

import matplotlib as mpl
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


def encoded(figure: Figure, kind: str = "png") -> bytes:
    """The figure as a file; the same figure gives the same bytes.

    Args:
        figure: what was drawn.
        kind: "png", "svg" or "pdf".
    """
    file = io.BytesIO()
    changing = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}[kind]
    with mpl.rc_context(STYLE | {"svg.hashsalt": "srcnn"}):
        figure.savefig(file, format=kind, metadata={changing: None})
    if kind == "png":  # with an alpha channel that nobody needs
        opaque = Image.open(file).convert("RGB")
        file = io.BytesIO()
        opaque.save(file, "PNG", dpi=(DPI, DPI))
    return file.getvalue()
