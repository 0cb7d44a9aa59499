"""How sure a mean difference is, and which differences between two networks are significant.

Pictures of one source (tiles of a photograph, pictures of a person) resemble each other, so a
source counts as one observation however many pictures it has (Davison and Hinkley, "Bootstrap
Methods and their Application", 1997, section 3.8). All that is said here is of one number, the
mean over sources: differences on the same picture are averaged within each source, then over the
sources. It equals the mean over pictures where all sources have as many.

A network counts as significantly better if that mean, its 95 % bootstrap interval and a two-sided
Wilcoxon signed-rank test (p < 0.05) all say that it is. The interval says how large the difference
is but is too narrow for few sources; the test is exact there. Who looks at several finds one with
a small p by chance more easily: `correct` makes up for that, in the p values alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from srcnn.scoring.measures import Measure

_SIGNIFICANCE = 0.05
_CONFIDENCE = 0.95
# So many sources are drawn in all, which takes a second or two, or 1,000 samples of more sources.
# An end of the interval wavers by 0.03 standard errors with 10,000 samples, by 0.09 with 1,000.
_DRAWS, _FEWEST_DRAWS = 10_000, 1_000
_DRAWN = 10**8
_DRAWN_AT_ONCE = 2**20


def fewest_sources(tests: int = 1) -> int:
    """So many can be significant at all: n that all agree have a p of 2 to the 1 - n, no less.

    Args:
        tests: how many differences p is corrected for.
    """
    return math.floor(2 + math.log2(tests / _SIGNIFICANCE))


FEWEST_SOURCES = fewest_sources()


def source_means(values: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """Mean of each source's pictures.

    Args:
        values: (pictures,).
        sources: the source of each picture.

    Returns:
        (sources,), by the sources' sorted names.
    """
    _, owner = np.unique(np.asarray(sources), return_inverse=True)
    return np.bincount(owner, values) / np.bincount(owner)


def bootstrap_interval(
    means: np.ndarray, seed: int, less: np.ndarray | float = 0.0
) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean over sources (Efron, 1979).

    Of several trainings, each source's are drawn as the sources are.

    Args:
        means: of the sources, (sources,), or of several trainings, (seeds, sources).
        seed: of the 10,000 samples; of more than 10,000 sources fewer, as few as 1,000 of 100,000.
        less: what the interval is of `means` less, of the same sources in either shape.

    Returns:
        Both ends; None of fewer than FEWEST_SOURCES.
    """
    b = np.atleast_2d(means)
    count = b.shape[1]
    a = np.atleast_2d(np.zeros(count) + less)
    if count < FEWEST_SOURCES:
        return None
    rng = np.random.default_rng(seed)
    left = min(_DRAWS, max(_FEWEST_DRAWS, _DRAWN // count))
    drawn = []
    while left > 0:
        size = min(left, max(1, _DRAWN_AT_ONCE // count))
        of_a, of_b = (rng.integers(len(of), size=(size, len(of))) for of in (a, b))
        sources = rng.integers(count, size=(size, count))
        differences = b[of_b].mean(axis=1) - a[of_a].mean(axis=1)  # (size, sources)
        drawn.append(np.take_along_axis(differences, sources, axis=1).mean(axis=1))
        left -= size
    rest = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(drawn), (rest, 1 - rest))
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """One measure of two networks, A and B, over the pictures that both have it of.

    Attributes:
        a: mean over the pictures, of A's.
        b: mean over the pictures, of B's.
        bicubic: mean over the pictures, of bicubic interpolation.
        mean: mean over the sources, of B less A.
        interval: 95 % bootstrap interval of that mean; None of fewer than FEWEST_SOURCES.
        p_value: of the two-sided Wilcoxon signed-rank test over the sources' differences; after
            `correct` the corrected one.
        signed_ranks: its sum, positive where the differences tend to be.
        wins: the sources on which A is better, and on which B is.
        pictures: how many there are.
        sources: from how many sources.
        trainings: of A and of B, the mean over the pictures of each training; there are several
            where it is the mean of trainings that differ in their seed alone.
        tests: of how many differences this is one, for which p is corrected.
    """

    measure: Measure
    a: float
    b: float
    bicubic: float
    mean: float
    interval: tuple[float, float] | None
    p_value: float
    signed_ranks: float
    wins: tuple[int, int]
    pictures: int
    sources: int
    trainings: tuple[Sequence[float], Sequence[float]]
    tests: int = 1

    @property
    def is_decidable(self) -> bool:
        """Whether so many sources could be significant at all."""
        return self.sources >= fewest_sources(self.tests)

    @property
    def better(self) -> str | None:
        """The network that is significantly better, "a" or "b"; None if neither is."""
        by_interval, by_test = self._signs()
        if not by_test or by_interval != by_test:
            return None
        return "b" if (by_test > 0) == self.measure.higher_is_better else "a"

    @property
    def is_contradictory(self) -> bool:
        """Whether interval and test would each decide otherwise."""
        by_interval, by_test = self._signs()
        return by_interval != by_test

    def _signs(self) -> tuple[float, float]:
        """The sign of the difference by mean and interval, and by the test; 0 where not sure."""
        low, high = self.interval or (0.0, 0.0)
        excludes_zero = low > 0 or high < 0
        return (
            float(np.sign(self.mean)) if excludes_zero else 0.0,
            float(np.sign(self.signed_ranks)) if self.p_value < _SIGNIFICANCE else 0.0,
        )


def compare(
    measure: Measure,
    a: np.ndarray,
    b: np.ndarray,
    bicubic: np.ndarray,
    sources: Sequence[str],
    seed: int = 0,
) -> Difference:
    """Compare one measure of two networks on the same pictures.

    Args:
        measure: what was measured.
        a: the measure of A's pictures, finite floats (N,), N at least 1; or (S, N) of S trainings
            that differ in their seed alone, whose mean counts.
        b: of B's, of the same pictures in the same order.
        bicubic: of bicubic interpolation.
        sources: the source of each picture.
        seed: of the bootstrap.
    """
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    means = source_means(b.mean(axis=0) - a.mean(axis=0), sources)
    mine, other = (np.stack([source_means(of, sources) for of in each]) for each in (a, b))
    better = means if measure.higher_is_better else -means
    signed_ranks, p_value = _signed_rank_test(means)
    return Difference(
        measure=measure,
        a=float(a.mean()),
        b=float(b.mean()),
        bicubic=float(bicubic.mean()),
        mean=float(means.mean()),
        interval=bootstrap_interval(other, seed, less=mine),
        p_value=p_value,
        signed_ranks=signed_ranks,
        wins=(int((better < 0).sum()), int((better > 0).sum())),
        pictures=a.shape[1],
        sources=len(means),
        trainings=(a.mean(axis=1).tolist(), b.mean(axis=1).tolist()),
    )


def correct(differences: Sequence[Difference]) -> list[Difference]:
    """The same with p values corrected for how many they are, by Holm's procedure (1979).

    The smallest is multiplied by their number n, the next by n - 1, and so on; none ends below one
    that was smaller. So the chance to call any difference significant that is none stays 0.05.
    """
    p_values = np.array([difference.p_value for difference in differences])
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    p_values[order] = np.maximum.accumulate(np.minimum(factors * p_values[order], 1))
    return [
        replace(difference, p_value=float(p), tests=len(differences))
        for difference, p in zip(differences, p_values, strict=True)
    ]


def _signed_rank_test(differences: np.ndarray) -> tuple[float, float]:
    """Sum and two-sided p value of Wilcoxon's test (1945); differences of 0 do not count."""
    from scipy.stats import rankdata, wilcoxon

    nonzero = differences[differences != 0]
    if not len(nonzero):
        return 0.0, 1.0
    signed_ranks = rankdata(np.abs(nonzero)) @ np.sign(nonzero)
    return float(signed_ranks), float(wilcoxon(nonzero).pvalue)
