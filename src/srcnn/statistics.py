"""How sure a mean over pictures is, and which differences between two networks are significant.

Two networks are compared on the same pictures, in pairs. The bootstrap is our own, because
`scipy.stats.bootstrap` draws single values, not whole source pictures.

A difference counts as significant if its 95 % bootstrap interval excludes 0 and a Wilcoxon
signed-rank test agrees (p < 0.05). The interval says how large the difference is but is too narrow
for few pictures; the test is exact there. No correction is made for looking at several measures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from srcnn.measures import Measure

FEWEST_SOURCES = 6  # of five that all agree the Wilcoxon test still gives p = 0.06

_SIGNIFICANCE = 0.05
_CONFIDENCE = 0.95
_DRAWS = 10_000
# So many sources are drawn in all, which takes about a second, or 1,000 samples of more sources. An
# end of the interval wavers by 0.03 standard errors with 10,000 samples, by 0.09 with 1,000.
_DRAWN = 10**8
_FEWEST_DRAWS = 1_000
_DRAWN_AT_ONCE = 2**16


def bootstrap_interval(
    values: np.ndarray, sources: Sequence[str], seed: int, draws: int | None = None
) -> np.ndarray | None:
    """95 % percentile bootstrap interval of the mean over pictures (Efron, 1979).

    Whole source pictures are drawn, each with all pictures cut from it: tiles of one photograph
    resemble each other, and drawing them one by one would make the interval too narrow (Davison
    and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).

    Args:
        values: (pictures, K), K columns that get one interval each.
        sources: the source of each picture.
        seed: of the draws.
        draws: bootstrap samples; None: 10,000, of more than 10,000 sources fewer, as few as 1,000
            of 100,000.

    Returns:
        (2, K), the lower and the upper ends; None if there is only one source.
    """
    names, owner = np.unique(np.asarray(sources), return_inverse=True)
    if len(names) < 2:
        return None
    if draws is None:
        draws = min(_DRAWS, max(_FEWEST_DRAWS, _DRAWN // len(names)))
    sums = [np.bincount(owner, column) for column in values.T]
    rows = np.column_stack([*sums, np.bincount(owner)])
    totals = np.concatenate(list(_resample(rows, draws, seed)))
    tail = (1 - _CONFIDENCE) / 2
    return np.quantile(totals[:, :-1] / totals[:, -1:], [tail, 1 - tail], axis=0)


@dataclass(frozen=True)
class Difference:
    """One measure of two networks, A and B, over the pictures that both have it of.

    Attributes:
        a: mean over the pictures, of A's.
        b: mean over the pictures, of B's.
        bicubic: mean over the pictures, of bicubic interpolation.
        mean: of B less A.
        interval: 95 % bootstrap interval of that mean, whole sources drawn; None of one source.
        p_value: of the two-sided Wilcoxon signed-rank test over the sources' mean differences.
        wins: the pictures on which A is better, and on which B is.
        pictures: how many there are.
        sources: from how many source pictures.
    """

    measure: Measure
    a: float
    b: float
    bicubic: float
    mean: float
    interval: tuple[float, float] | None
    p_value: float
    wins: tuple[int, int]
    pictures: int
    sources: int

    @property
    def is_significant(self) -> bool:
        """Whether interval and test agree that there is a difference."""
        if self.interval is None:
            return False
        low, high = self.interval
        return (low > 0 or high < 0) and self.p_value < _SIGNIFICANCE

    @property
    def better(self) -> str | None:
        """The network that is significantly better, "a" or "b"; None if neither is."""
        if not self.is_significant:
            return None
        return "b" if (self.mean > 0) == self.measure.higher_is_better else "a"


def compare(
    measure: Measure,
    a: np.ndarray,
    b: np.ndarray,
    bicubic: np.ndarray,
    sources: Sequence[str],
    seed: int = 0,
) -> Difference:
    """Compare one measure of two networks picture by picture.

    Args:
        measure: what was measured.
        a: the measure of A's pictures, finite floats (N,), N at least 1.
        b: of B's, of the same pictures in the same order.
        bicubic: of bicubic interpolation.
        sources: the source picture that each was cut from; pictures of one source are not
            independent, so both interval and test take whole sources.
        seed: of the bootstrap.
    """
    differences = b - a
    interval = bootstrap_interval(differences[:, None], sources, seed)
    better = differences if measure.higher_is_better else -differences
    per_source = _means(differences, sources)
    return Difference(
        measure=measure,
        a=float(a.mean()),
        b=float(b.mean()),
        bicubic=float(bicubic.mean()),
        mean=float(differences.mean()),
        interval=None if interval is None else (float(interval[0, 0]), float(interval[1, 0])),
        p_value=_signed_rank_p(per_source),
        wins=(int((better < 0).sum()), int((better > 0).sum())),
        pictures=len(differences),
        sources=len(per_source),
    )


def _means(values: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    _, owner = np.unique(np.asarray(sources), return_inverse=True)
    return np.bincount(owner, values) / np.bincount(owner)


def _signed_rank_p(differences: np.ndarray) -> float:
    """Two-sided p value of Wilcoxon's signed-rank test (1945); differences of 0 do not count."""
    from scipy.stats import wilcoxon  # half a second, for which `register` need not wait

    nonzero = differences[differences != 0]
    return float(wilcoxon(nonzero).pvalue) if len(nonzero) else 1.0


def _resample(rows: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Sums of as many rows as there are, drawn with replacement; (some of the draws, K) a time.

    How often each row is drawn is counted, and a matrix product adds them up: the rows themselves
    are never gathered, and what is held at once does not grow with the draws.
    """
    rng = np.random.default_rng(seed)
    count = len(rows)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    for start in range(0, draws, at_once):
        drawn = rng.integers(count, size=(min(at_once, draws - start), count))
        drawn += count * np.arange(len(drawn))[:, None]
        yield np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape) @ rows
