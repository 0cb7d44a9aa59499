"""The figures of an experiment, from arrays to Matplotlib figures; `png` makes files of them."""

from srcnn.figures.charts import curves, gain_histogram
from srcnn.figures.sheets import Example, error_map, filmstrip, hardest_window, reconstructions
from srcnn.figures.style import png
from srcnn.figures.tradeoff import Point, tradeoff

__all__ = [
    "Example",
    "Point",
    "curves",
    "error_map",
    "filmstrip",
    "gain_histogram",
    "hardest_window",
    "png",
    "reconstructions",
    "tradeoff",
]
