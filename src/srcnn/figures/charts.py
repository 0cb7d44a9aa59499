"""Charts of numbers: the training curves and the histogram of the gain."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from srcnn.figures.style import BLUE, INK, STYLE, VERMILION, lines
from srcnn.scoring.measures import PSNR

_TRAIN, _VAL = VERMILION, BLUE


def curves(curve: Mapping[str, np.ndarray], best_step: int, luma: str, loss: str = "") -> Figure:
    """Loss and PSNR along the training, the latter with the lines of bicubic interpolation.

    Args:
        curve: columns of the training curve (`srcnn.training.loop.Training.curve`), each float
            (rows,), NaN where a row has no value.
        best_step: the validated step whose weights are the trained model.
        luma: the range that PSNR is measured in.
        loss: what was minimised, in words.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.5), layout="constrained")
        _title(figure, loss)
        left, right = figure.subplots(1, 2)
        _loss(left, curve)
        _psnr(right, curve, best_step, luma)
        return figure


def _loss(axes: Axes, curve: Mapping[str, np.ndarray]) -> None:
    step = curve["step"]
    train = curve.get("train_loss", np.full(len(step), np.nan))  # of no step there is none
    weighted = [name for name in curve if re.fullmatch(r"train_\w+_weighted", name)]
    terms = ["train_pixel", *weighted] if weighted else []
    for name, style in zip(terms, ("--", ":", "-."), strict=False):
        label = name.replace("train_", "train, ").replace("_weighted", ", weighted")
        _line(axes, step, _smooth(curve[name]), label, _TRAIN, ls=style, lw=1)
    _line(axes, step, train, None, _TRAIN, lw=0.7, alpha=0.35)
    _line(axes, step, _smooth(train), "train (thin: not smoothed)", _TRAIN)
    _line(axes, step, curve["val_loss"], "validation", _VAL, marker="o")
    axes.set(title="Loss", xlabel="step", yscale="log")
    low, high = axes.get_ylim()
    subs = (1, 1.2, 1.5, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_locator(NullLocator())
    _legend_below(axes)


def _psnr(axes: Axes, curve: Mapping[str, np.ndarray], best_step: int, luma: str) -> None:
    for split, name, colour in (("train", "train", _TRAIN), ("val", "validation", _VAL)):
        _line(axes, curve["step"], curve[f"{split}_psnr"], name, colour, marker="o")
        baseline = curve[f"{split}_psnr_bicubic"]
        _line(axes, curve["step"], baseline, f"{name}, bicubic", colour, ls="--", lw=1)
    best = np.flatnonzero(curve["step"] == best_step)[0]
    psnr = curve["val_psnr"][best]
    gain = PSNR.number(psnr - curve["val_psnr_bicubic"][best], signed=True)
    label = f"best: {PSNR.text(psnr)} ({gain})"
    axes.plot(best_step, psnr, "o", label=label, mfc="none", mec=INK, mew=0.9, ms=7)
    axes.set(title=f"PSNR in dB ({luma} luma)", xlabel="step")
    _legend_below(axes)


def _line(
    axes: Axes, x: np.ndarray, y: np.ndarray, label: str | None, color: str, **style: Any
) -> None:
    known = np.isfinite(y)
    axes.plot(x[known], y[known], label=label, color=color, **style)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Running mean over a twentieth of the rows, of the rows there are; NaN stays NaN."""
    known = np.isfinite(values)
    window = np.ones(2 * (len(values) // 40) + 1)
    sums, counts = (
        np.convolve(each, window, "same") for each in (np.where(known, values, 0.0), known)
    )
    return np.where(known, sums / np.maximum(counts, 1), np.nan)


def _title(figure: Figure, loss: str) -> None:
    if loss:
        broken = "\n".join(lines(f"Loss: {loss}", 0.98 * figure.bbox.width, 7.5))
        figure.suptitle(broken, x=0.01, ha="left", fontsize=7.5)


def _legend_below(axes: Axes) -> None:
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, columnspacing=1, handlelength=1.6
    )


def gain_histogram(
    gains: np.ndarray,
    mean: float,
    interval: Sequence[float] | None,
    luma: str,
    scale: int,
    loss: str = "",
) -> Figure:
    """How the PSNR gain over bicubic is spread over the test pictures, with its mean over sources.

    Args:
        gains: PSNR of SR less PSNR of bicubic, dB, (pictures,).
        mean: over the sources, see `srcnn.scoring.significance`.
        interval: 95 % confidence interval of that mean; None if there is none.
        luma: the range that PSNR is measured in.
        scale: enlargement.
        loss: what the network was trained with, in words.
    """
    better = int((gains > 0).sum())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        _title(figure, loss)
        axes = figure.subplots()
        counts, edges = np.histogram(gains, _bins(gains))
        colours = [BLUE if edge >= 0 else VERMILION for edge in edges[:-1]]
        widths = np.diff(edges)
        axes.bar(edges[:-1], counts, widths, align="edge", color=colours, ec="white", lw=0.8)
        label = f"mean over sources {PSNR.text(mean, signed=True)}"
        axes.axvline(mean, color=INK, linewidth=1.2, label=label)
        if interval is not None:
            ends = " to ".join(PSNR.number(end, signed=True) for end in interval)
            label = f"95 % interval {ends}"
            axes.axvspan(*interval, color=INK, alpha=0.12, linewidth=0, zorder=0, label=label)
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.set(
            title=f"PSNR gain over bicubic, ×{scale}, {luma} luma",
            xlabel=f"gain in dB; better on {better} of {len(gains)} pictures",
            ylabel="test pictures",
        )
        _legend_below(axes)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)
        return figure


def _bins(gains: np.ndarray) -> np.ndarray:
    """Edges of equal width, one of them at 0, so that each bar is wholly gain or wholly loss."""
    automatic = np.histogram_bin_edges(gains, "auto")
    width = max(float(automatic[1] - automatic[0]), 0.01)
    first = np.floor(gains.min() / width)
    last = np.floor(gains.max() / width) + 1
    return width * np.arange(first, last + 1)
