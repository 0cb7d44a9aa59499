"""The figures of an experiment, from arrays to Matplotlib figures; `png` makes files of them."""

from srcnn.figures.charts import curves, gain_histogram
from srcnn.figures.sheets import Example, error_map, hardest_window, reconstructions, snapshots
from srcnn.figures.style import png, svg
from srcnn.figures.tradeoff import Point, tradeoff

__all__ = [
    "Example",
    "Point",
    "curves",
    "error_map",
    "gain_histogram",
    "hardest_window",
    "png",
    "reconstructions",
    "snapshots",
    "svg",
    "tradeoff",
]
