"""The figures of an experiment, from arrays to Matplotlib figures; `encoded` makes them files."""

from srcnn.figures.charts import curves, gain_histogram
from srcnn.figures.sheets import Example, error_map, hardest_window, reconstructions, snapshots
from srcnn.figures.side_by_side import Reconstructed, side_by_side
from srcnn.figures.style import encoded
from srcnn.figures.tradeoff import Point, tradeoff

__all__ = [
    "Example",
    "Point",
    "Reconstructed",
    "curves",
    "encoded",
    "error_map",
    "gain_histogram",
    "hardest_window",
    "reconstructions",
    "side_by_side",
    "snapshots",
    "tradeoff",
]
