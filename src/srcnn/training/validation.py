"""How good the network is while it trains: scores on whole pictures, and snapshots of some."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch

from srcnn.data.pairs import Pairs
from srcnn.data.splits import evenly_spaced
from srcnn.inference.resolver import SuperResolver, bicubic
from srcnn.scoring.classical import finite_psnr, psnr, shave, ssim
from srcnn.training.process_group import ProcessGroup

if TYPE_CHECKING:  # brings VGG19, which most trainings do without
    from srcnn.scoring.naturalness import Naturalness

SNAPSHOT_PICTURES = 4
SNAPSHOT_SIZE = 128  # HR pixels


class Validation:
    """Scores a network on some training and validation pictures, always the same ones.

    Training pictures are scored by the same protocol, so that overfitting shows as a gap.
    Snapshots are of one training picture, the first, and of the validation pictures that bicubic
    reconstructs worst: there is most to see.

    Args:
        pairs: LR/HR pairs with a "train" and a "val" split.
        pictures: how many pictures of each to score, evenly spaced over the split.
        naturalness: measures what tells a failed adversarial training from a good one.
    """

    def __init__(
        self, pairs: Pairs, pictures: int, naturalness: "Naturalness | None" = None
    ) -> None:
        self._scale = pairs.scale
        self._train = _evenly_spaced(pairs.split("train"), pictures)
        self._val = _evenly_spaced(pairs.split("val"), pictures)
        self._shown = (self._train.select([0]), _hardest(self._val, SNAPSHOT_PICTURES - 1))
        sides = [side for pairs in self._shown for side in (*pairs.heights, *pairs.widths)]
        self._size = min(SNAPSHOT_SIZE, *map(int, sides))
        train = _mean(_scores(_bicubics(self._train), self._train))
        val = _mean(_scores(_bicubics(self._val), self._val))
        self._baseline = {
            "train_psnr_bicubic": train[0],
            "val_psnr_bicubic": val[0],
            "val_ssim_bicubic": val[1],
        }
        self._naturalness = naturalness

    @property
    def columns(self) -> list[str]:
        """Names of what `scores` gives."""
        scores = ("train_psnr", "val_psnr", "val_ssim")
        twins = [name for score in scores for name in (score, f"{score}_bicubic")]
        natural = self._naturalness.names if self._naturalness else ()
        return [*twins, *(f"val_{name}" for name in natural)]

    def scores(self, resolver: SuperResolver, group: ProcessGroup) -> dict[str, float]:
        """Mean PSNR (dB) and SSIM over the pictures, shaved by the scale, beside bicubic's.

        With `naturalness` also what that says of all validation pictures together.

        Each process of the group has to call it, and reconstructs its share of the pictures.

        Raises:
            ProcessLostError: another process has ended.
        """
        train_psnr, _ = _mean_of_group(resolver, self._train, group)
        val_psnr, val_ssim = _mean_of_group(resolver, self._val, group)
        return {
            "train_psnr": train_psnr,
            "val_psnr": val_psnr,
            "val_ssim": val_ssim,
            **self._baseline,
            **self._natural(resolver),
        }

    def _natural(self, resolver: SuperResolver) -> dict[str, float]:
        if not self._naturalness:
            return {}
        pairs = self._val
        sr, hr = [resolver(lr) for lr, _ in _items(pairs)], [hr for _, hr in _items(pairs)]
        values = self._naturalness(sr, hr, pairs.luma, pairs.scale)
        return {f"val_{name}": value for name, value in values.items()}

    def snapshot(self, resolver: SuperResolver) -> torch.Tensor:
        """The centres of N pictures as the network makes them now, uint8 (N, h, w)."""
        return self._centres(resolver(lr) for lr, _ in self._shown_items())

    def snapshots(self, by_step: dict[int, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Snapshots by step, with what they are to be compared with.

        Returns:
            "steps" int64 (S,); "sr" uint8 (S, N, h, w); "bicubic" and "hr" uint8 (N, h, w);
            "in_training" bool (N,), whether the network learns from the picture.
        """
        steps = sorted(by_step)
        return {
            "steps": torch.tensor(steps),
            "sr": torch.stack([by_step[step] for step in steps]),
            "bicubic": self._centres(bicubic(lr, self._scale) for lr, _ in self._shown_items()),
            "hr": self._centres(hr for _, hr in self._shown_items()),
            "in_training": torch.arange(sum(map(len, self._shown))) < len(self._shown[0]),
        }

    def _shown_items(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return chain.from_iterable(map(_items, self._shown))

    def _centres(self, pictures: Iterator[np.ndarray]) -> torch.Tensor:
        size = self._size
        centres = []
        for picture in pictures:
            top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
            centres.append(picture[top : top + size, left : left + size])
        return torch.from_numpy(np.stack(centres))


def _evenly_spaced(pairs: Pairs, count: int) -> Pairs:
    return pairs.select(evenly_spaced(len(pairs), count))


def _hardest(pairs: Pairs, count: int) -> Pairs:
    """The pictures with the lowest PSNR of bicubic, in their order."""
    psnrs = [
        psnr(baseline, hr)
        for baseline, (_, hr) in zip(_bicubics(pairs), _items(pairs), strict=True)
    ]
    return pairs.select(sorted(np.argsort(psnrs, kind="stable")[:count].tolist()))


def _items(pairs: Pairs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((pairs.lr(i), pairs.hr(i)) for i in range(len(pairs)))


def _bicubics(pairs: Pairs) -> Iterator[np.ndarray]:
    return (bicubic(lr, pairs.scale) for lr, _ in _items(pairs))


def _mean_of_group(
    resolver: SuperResolver, pairs: Pairs, group: ProcessGroup
) -> tuple[float, float]:
    own = pairs.select(range(group.rank, len(pairs), group.size))
    scores = _scores((resolver(lr) for lr, _ in _items(own)), own)
    return _mean(group.all_gather(scores))


def _scores(pictures: Iterator[np.ndarray], pairs: Pairs) -> list[tuple[float, float]]:
    """PSNR and SSIM of each picture."""
    scores = []
    for sr, (_, hr) in zip(pictures, _items(pairs), strict=True):
        sr, hr = shave(sr, pairs.scale), shave(hr, pairs.scale)
        scores.append((finite_psnr(sr, hr), ssim(sr, hr)))
    return scores


def _mean(scores: list[tuple[float, float]]) -> tuple[float, float]:
    mean_psnr, mean_ssim = np.mean(scores, axis=0)
    return float(mean_psnr), float(mean_ssim)
