"""The scoring protocol: how good SR pictures are, always beside bicubic on the same pixels.

Of every picture a border as wide as the scale is left out, as in the literature, because what the
network and the bicubic see there depends on how the picture is continued beyond its edge. Each
measure is taken per picture and then averaged; errors are never pooled over pictures.
"""

import hashlib
import statistics
import sys
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from srcnn.data.color import luma
from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.data.pairs import Pairs
from srcnn.inference.resolver import SuperResolver, bicubic
from srcnn.scoring.classical import shave
from srcnn.scoring.measures import MEASURES, Function, Measure
from srcnn.scoring.scores import Score
from srcnn.scoring.significance import bootstrap_interval, source_means

_TEST_SET_LUMA = "studio"

_EVERY_PLACE = range(sys.maxsize)


def measured(
    picture: np.ndarray,
    hr: np.ndarray | None,
    luma_range: str,
    functions: Mapping[Measure, Function],
) -> dict[str, float]:
    """The measures of a picture, by name, that it is large enough for.

    Args:
        picture: uint8 (H, W).
        hr: its original, uint8 (H, W); None: only what needs none is measured.
        luma_range: what they are the luma of, "full" or "studio".
        functions: of the measures to take.
    """
    values = {}
    for measure, function in functions.items():
        if min(picture.shape) < function.smallest:
            continue
        if not measure.needs_original:
            values[measure.name] = function.take(picture, luma_range)
        elif hr is not None:
            values[measure.name] = function.take(picture, hr, luma_range)
    return values


def score_pairs(
    pictures: Iterable[np.ndarray],
    pairs: Pairs,
    functions: Mapping[Measure, Function],
    sample: Container[int] = _EVERY_PLACE,
) -> Iterator[Score]:
    """Score what was made of every LR picture of a data set, in order, and bicubic beside it.

    Args:
        pictures: SR, uint8 (H, W) each.
        pairs: LR/HR pairs.
        functions: of the measures to take, each of the pictures that are large enough.
        sample: indices of the pictures to take learned measures of.
    """
    for i, sr in enumerate(pictures):
        taken = _taken(functions, i in sample)
        name, source, lr, hr = pairs.ids[i], pairs.sources[i], pairs.lr(i), pairs.hr(i)
        yield _score(name, source, sr, lr, hr, pairs.scale, pairs.luma, taken)


def score_test_set(
    resolver: SuperResolver,
    pictures: Iterable[tuple[str, np.ndarray]],
    functions: Mapping[Measure, Function],
    sample: Container[int] = _EVERY_PLACE,
) -> Iterator[Score]:
    """Score HR pictures by the literature's protocol, that of the published SRCNN figures.

    Studio luma of colour pictures, gray ones as they are; cropped to a multiple of the scale;
    bicubic down and up without rounding in between; SR clamped and rounded; a border of `scale`
    pixels left out (Dong et al., TPAMI 2016, and their published MATLAB code, which converts what
    has three channels, be they equal or not).

    Args:
        resolver: the model; one trained on full-range luma is at a disadvantage here.
        pictures: names and pictures, uint8 gray (H, W) or RGB (H, W, 3), at least
            `classical.smallest_side(scale)` high and wide after the crop.
        functions, sample: see `score_pairs`.
    """
    scale = resolver.scale
    for i, (name, picture) in enumerate(pictures):
        luma_range = "full" if picture.ndim == 2 else _TEST_SET_LUMA
        hr = crop_to_multiple(luma(picture, luma_range), scale)
        lr = downscale(hr.astype(np.float64), scale)
        taken = _taken(functions, i in sample)
        yield _score(name, name, resolver(lr), lr, hr, scale, luma_range, taken)


def _score(
    name: str,
    source: str,
    sr: np.ndarray,
    lr: np.ndarray,
    hr: np.ndarray,
    scale: int,
    luma_range: str,
    functions: Mapping[Measure, Function],
) -> Score:
    """Of SR, and of the bicubic enlargement of LR, against HR, without a border of `scale`."""
    inside = shave(hr, scale)
    of_sr, of_bicubic = (
        measured(shave(picture, scale), inside, luma_range, functions)
        for picture in (sr, bicubic(lr, scale))
    )
    return Score(name, source, luma_range, _digest(hr), of_sr, of_bicubic)


def _digest(picture: np.ndarray) -> str:
    height, width = picture.shape
    return hashlib.sha256(f"{height}x{width}\n".encode() + picture.tobytes()).hexdigest()[:16]


def _taken(functions: Mapping[Measure, Function], in_sample: bool) -> Mapping[Measure, Function]:
    return {m: function for m, function in functions.items() if in_sample or not m.learned}


def summarise(scores: Sequence[Score], seed: int) -> dict[str, Any]:
    """Means over pictures, at least one, and of gains over sources, ready for JSON.

    For each measure `m`, over the pictures: the means `m`, `m_bicubic` and `m_gain`, as the
    literature gives them, and the standard deviations `m_std` and `m_gain_std` (divided by n - 1).
    Over the sources, see `srcnn.scoring.significance`: the mean `m_source_gain` and its 95 %
    interval `m_source_gain_ci95` = [low, high]. Beside them the numbers of `pictures` and
    `sources`; for learned measures, and others that were not taken of all, those that they were
    taken of, `m_pictures` and `m_sources`, and only `m` = None if there are none.
    A gain is positive where SR is better than bicubic, for every measure. What one picture, or too
    few sources, cannot tell is None.
    """
    summary: dict[str, Any] = _counts("", scores)
    for measure in MEASURES.values():
        taken = [score for score in scores if measure.name in score.sr]
        if measure.learned or len(taken) < len(scores):
            summary |= _counts(f"{measure.name}_", taken)
        summary |= _of_measure(measure, taken, seed) if taken else {measure.name: None}
    return summary


def _counts(prefix: str, scores: Sequence[Score]) -> dict[str, int]:
    sources = {score.source for score in scores}
    return {f"{prefix}pictures": len(scores), f"{prefix}sources": len(sources)}


def _of_measure(measure: Measure, scores: Sequence[Score], seed: int) -> dict[str, Any]:
    name = measure.name
    values = [score.sr[name] for score in scores]
    gains = np.array([score.gain(measure) for score in scores])
    means = source_means(gains, [score.source for score in scores])
    interval = bootstrap_interval(means, seed)
    return {
        name: statistics.fmean(values),
        f"{name}_std": _deviation(values),
        f"{name}_bicubic": statistics.fmean(score.bicubic[name] for score in scores),
        f"{name}_gain": statistics.fmean(gains),
        f"{name}_gain_std": _deviation(gains),
        f"{name}_source_gain": float(means.mean()),
        f"{name}_source_gain_ci95": interval and list(interval),
    }


def megapixels_per_second(resolver: SuperResolver, lr: np.ndarray, repeats: int = 9) -> float:
    """Measure how many million HR pixels a second the resolver makes, bicubic included.

    Args:
        resolver: the model, on the device to measure.
        lr: the picture to enlarge again and again, uint8 (h, w).
        repeats: timed runs, after two that are not; the median counts.
    """
    for _ in range(2):
        resolver(lr)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        sr = resolver(lr)
        seconds.append(time.perf_counter() - start)
    return sr.size / 1e6 / statistics.median(seconds)


def _deviation(values: Sequence[float] | np.ndarray) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
