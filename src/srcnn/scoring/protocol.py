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
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from srcnn.color import luma
from srcnn.imresize import crop_to_multiple, downscale
from srcnn.inference import SuperResolver, bicubic
from srcnn.pairs import Pairs
from srcnn.scoring.classical import finite_psnr, gmsd, shave, ssim
from srcnn.scoring.measures import MEASURES
from srcnn.scoring.statistics import bootstrap_interval, source_means

_TEST_SET_LUMA = "studio"


class Judge(Protocol):
    """A perceptual measure of `srcnn.scoring.learned`; lower is better."""

    smallest: int  # pixels on each side that a picture must have

    def __call__(self, a: np.ndarray, b: np.ndarray, luma_range: str) -> float:
        """Distance of two uint8 (H, W) lumas, of range "full" or "studio"."""
        ...


_NO_JUDGES: Mapping[str, Judge] = {}
_EVERY_PLACE = range(sys.maxsize)


@dataclass(frozen=True)
class Score:
    """One picture's measures: PSNR in dB, SSIM, GMSD (lower is better); of SR and of bicubic.

    The perceptual measures, lower is better, are None where they were not taken. A network trained
    with VGG19 features is good at `vgg19` by construction: `lpips` and `gmsd` judge independently.

    Attributes:
        id: name of the picture.
        source: the source picture it was cut from; one source's pictures are not independent.
        luma: the range of the luma that was scored, "full" or "studio".
        pixels: digest of the HR luma: equal only if size and pixels are.
    """

    id: str
    source: str
    luma: str
    pixels: str
    psnr: float
    ssim: float
    gmsd: float
    psnr_bicubic: float
    ssim_bicubic: float
    gmsd_bicubic: float
    vgg19: float | None = None
    lpips: float | None = None
    vgg19_bicubic: float | None = None
    lpips_bicubic: float | None = None

    def gain(self, measure: str) -> float:
        """How much better SR is than bicubic; positive is better, for every measure."""
        values = getattr(self, measure), getattr(self, f"{measure}_bicubic")
        return MEASURES[measure].gain(*values)


def score_picture(
    picture_id: str,
    source: str,
    sr: np.ndarray,
    baseline: np.ndarray,
    hr: np.ndarray,
    border: int,
    luma_range: str,
    judges: Mapping[str, Judge] = _NO_JUDGES,
) -> Score:
    """Score one SR picture and the bicubic baseline against HR.

    Args:
        picture_id: name of the picture.
        source: name of its source picture.
        sr: uint8 (H, W).
        baseline: the bicubic enlargement of the same LR picture, uint8 (H, W).
        hr: uint8 (H, W).
        border: pixels left out on each side.
        luma_range: what they are the luma of, "full" or "studio".
        judges: perceptual measures to take as well, by name, if the picture is large enough.
    """
    pixels = _digest(hr)
    sr, baseline, hr = (shave(picture, border) for picture in (sr, baseline, hr))
    perceptual = {}
    for name, judge in judges.items():
        if min(hr.shape) >= judge.smallest:
            perceptual[name] = judge(sr, hr, luma_range)
            perceptual[f"{name}_bicubic"] = judge(baseline, hr, luma_range)
    return Score(
        id=picture_id,
        source=source,
        luma=luma_range,
        pixels=pixels,
        psnr=finite_psnr(sr, hr),
        ssim=ssim(sr, hr),
        gmsd=gmsd(sr, hr),
        psnr_bicubic=finite_psnr(baseline, hr),
        ssim_bicubic=ssim(baseline, hr),
        gmsd_bicubic=gmsd(baseline, hr),
        **perceptual,
    )


def _digest(picture: np.ndarray) -> str:
    height, width = picture.shape
    return hashlib.sha256(f"{height}x{width}\n".encode() + picture.tobytes()).hexdigest()[:16]


def score_pairs(
    resolver: SuperResolver,
    pairs: Pairs,
    judges: Mapping[str, Judge] = _NO_JUDGES,
    judged: Container[int] = _EVERY_PLACE,
) -> Iterator[Score]:
    """Score every picture of a data set of LR/HR pairs, in order.

    Args:
        resolver: the model.
        pairs: LR/HR pairs.
        judges: perceptual measures to take as well, by name.
        judged: indices of the pictures to take them of.
    """
    for i, (picture_id, source) in enumerate(zip(pairs.ids, pairs.sources, strict=True)):
        lr, hr = pairs.lr(i), pairs.hr(i)
        baseline = bicubic(lr, pairs.scale)
        judging = judges if i in judged else {}
        yield score_picture(
            picture_id, source, resolver(lr), baseline, hr, pairs.scale, pairs.luma, judging
        )


def score_test_set(
    resolver: SuperResolver,
    pictures: Iterable[tuple[str, np.ndarray]],
    judges: Mapping[str, Judge] = _NO_JUDGES,
    judged: Container[int] = _EVERY_PLACE,
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
        judges, judged: see `score_pairs`.
    """
    scale = resolver.scale
    for i, (name, picture) in enumerate(pictures):
        luma_range = "full" if picture.ndim == 2 else _TEST_SET_LUMA
        hr = crop_to_multiple(luma(picture, luma_range), scale)
        lr = downscale(hr.astype(np.float64), scale)
        baseline = bicubic(lr, scale)
        judging = judges if i in judged else {}
        yield score_picture(name, name, resolver(lr), baseline, hr, scale, luma_range, judging)


def summarise(scores: Sequence[Score], seed: int) -> dict[str, Any]:
    """Means over pictures, and of gains over sources, ready for JSON.

    For each measure `m`, over the pictures: the means `m`, `m_bicubic` and `m_gain`, as the
    literature gives them, and the standard deviations `m_std` and `m_gain_std` (divided by n - 1).
    Over the sources, see `srcnn.scoring.statistics`: the mean `m_source_gain` and its 95 % interval
    `m_source_gain_ci95` = [low, high]. Beside them the numbers of `pictures` and `sources`; for
    learned measures those that they were taken of, `m_pictures` and `m_sources`, and only
    `m` = None if there are none.
    A gain is positive where SR is better than bicubic, for every measure. What one picture, or too
    few sources, cannot tell is None.

    Raises:
        ValueError: there are no scores.
    """
    if not scores:
        raise ValueError("there are no scores to summarise")
    summary: dict[str, Any] = _counts("", scores)
    summary |= _summarise(scores, [m.name for m in MEASURES.values() if not m.learned], seed)
    for name in (m.name for m in MEASURES.values() if m.learned):
        taken = [score for score in scores if getattr(score, name) is not None]
        summary |= _counts(f"{name}_", taken)
        summary |= _summarise(taken, [name], seed) if taken else {name: None}
    return summary


def _counts(prefix: str, scores: Sequence[Score]) -> dict[str, int]:
    sources = {score.source for score in scores}
    return {f"{prefix}pictures": len(scores), f"{prefix}sources": len(sources)}


def _summarise(scores: Sequence[Score], measures: Sequence[str], seed: int) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    gains = np.array([[score.gain(measure) for measure in measures] for score in scores])
    means = source_means(gains, [score.source for score in scores])
    intervals = bootstrap_interval(means, seed)
    for k, measure in enumerate(measures):
        values = [getattr(score, measure) for score in scores]
        summary |= {
            measure: statistics.fmean(values),
            f"{measure}_std": _deviation(values),
            f"{measure}_bicubic": statistics.fmean(
                getattr(score, f"{measure}_bicubic") for score in scores
            ),
            f"{measure}_gain": statistics.fmean(gains[:, k]),
            f"{measure}_gain_std": _deviation(gains[:, k]),
            f"{measure}_source_gain": float(means[:, k].mean()),
            f"{measure}_source_gain_ci95": None if intervals is None else intervals[:, k].tolist(),
        }
    return summary


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
