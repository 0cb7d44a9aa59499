"""Two networks on the same test pictures: differences in pairs, and which of them are certain.

A difference counts as significant if its 95 % bootstrap interval excludes 0 and a Wilcoxon
signed-rank test agrees (p < 0.05). The interval says how large the difference is but is too narrow
for few pictures; the test is exact there. No correction is made for looking at several measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srcnn.bootstrap import bootstrap_interval

HIGHER_IS_BETTER = frozenset({"psnr", "ssim"})  # of all other measures lower is better
FEWEST_SOURCES = 6  # of five that all agree the Wilcoxon test still gives p = 0.06

_SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Difference:
    """One measure of two networks, A and B, over the pictures that both have it of.

    Attributes:
        measure: its name.
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

    measure: str
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
    def higher_is_better(self) -> bool:
        """Whether more of the measure is better."""
        return self.measure in HIGHER_IS_BETTER

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
        return "b" if (self.mean > 0) == self.higher_is_better else "a"


def compare(
    measure: str,
    a: np.ndarray,
    b: np.ndarray,
    bicubic: np.ndarray,
    sources: Sequence[str],
    seed: int = 0,
) -> Difference:
    """Compare one measure of two networks picture by picture.

    Args:
        measure: its name; of those in HIGHER_IS_BETTER more is better.
        a: the measure of A's pictures, finite floats (N,), N at least 1.
        b: of B's, of the same pictures in the same order.
        bicubic: of bicubic interpolation.
        sources: the source picture that each was cut from; pictures of one source are not
            independent, so both interval and test take whole sources.
        seed: of the bootstrap.
    """
    differences = b - a
    interval = bootstrap_interval(differences[:, None], sources, seed)
    better = differences if measure in HIGHER_IS_BETTER else -differences
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


def measures_of(columns: Sequence[str]) -> list[str]:
    """The measures among the columns of per-picture scores: those with a twin `_bicubic`."""
    return [name for name in columns if f"{name}_bicubic" in columns]


def _means(values: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    _, owner = np.unique(np.asarray(sources), return_inverse=True)
    return np.bincount(owner, values) / np.bincount(owner)


def _signed_rank_p(differences: np.ndarray) -> float:
    """Two-sided p value of Wilcoxon's signed-rank test (1945); differences of 0 do not count."""
    from scipy.stats import wilcoxon  # half a second, for which `register` need not wait

    nonzero = differences[differences != 0]
    return float(wilcoxon(nonzero).pvalue) if len(nonzero) else 1.0
