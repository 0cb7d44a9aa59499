"""How good the network is while it trains: scores on whole pictures, and snapshots of some."""

from collections.abc import Callable, Iterable
from functools import partial
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
        self._train, self._val = (
            split.select(evenly_spaced(len(split), pictures))
            for split in (pairs.split("train"), pairs.split("val"))
        )
        self._bicubic = partial(bicubic, scale=pairs.scale)
        self._bicubic_scores = [
            _mean(_scores(self._bicubic, split)) for split in (self._train, self._val)
        ]
        self._shown = [*self._train.select([0]), *self._hardest(SNAPSHOT_PICTURES - 1)]
        self._size = min(SNAPSHOT_SIZE, *(side for _, hr in self._shown for side in hr.shape))
        self._naturalness = naturalness

    def _hardest(self, count: int) -> Pairs:
        """The validation pictures with the lowest PSNR of bicubic, in their order."""
        psnrs = [psnr(self._bicubic(lr), hr) for lr, hr in self._val]
        return self._val.select(sorted(np.argsort(psnrs, kind="stable")[:count].tolist()))

    def scores(self, resolver: SuperResolver, group: ProcessGroup) -> dict[str, float]:
        """Mean PSNR (dB) and SSIM over the pictures, shaved by the scale, beside bicubic's.

        With `naturalness` also what that says of all validation pictures together.

        Each process of the group has to call it, and reconstructs its share of the pictures.

        Raises:
            ProcessLostError: another process has ended.
        """
        (train_psnr, _), (val_psnr, val_ssim) = (
            _mean(group.all_gather(_scores(resolver, split.select(group.shard(range(len(split)))))))
            for split in (self._train, self._val)
        )
        (train_psnr_bicubic, _), (val_psnr_bicubic, val_ssim_bicubic) = self._bicubic_scores
        scores = {
            "train_psnr": train_psnr,
            "train_psnr_bicubic": train_psnr_bicubic,
            "val_psnr": val_psnr,
            "val_psnr_bicubic": val_psnr_bicubic,
            "val_ssim": val_ssim,
            "val_ssim_bicubic": val_ssim_bicubic,
        }
        if self._naturalness:
            sr, hr = zip(*((resolver(lr), hr) for lr, hr in self._val), strict=True)
            values = self._naturalness(sr, hr, self._val.luma, self._val.scale)
            scores |= {f"val_{name}": value for name, value in values.items()}
        return scores

    def snapshot(self, resolver: SuperResolver) -> torch.Tensor:
        """The centres of N pictures as the network makes them now, uint8 (N, h, w)."""
        return self._centres(resolver(lr) for lr, _ in self._shown)

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
            "bicubic": self._centres(self._bicubic(lr) for lr, _ in self._shown),
            "hr": self._centres(hr for _, hr in self._shown),
            "in_training": torch.arange(len(self._shown)) == 0,
        }

    def _centres(self, pictures: Iterable[np.ndarray]) -> torch.Tensor:
        size = self._size
        centres = []
        for picture in pictures:
            top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
            centres.append(picture[top : top + size, left : left + size])
        return torch.from_numpy(np.stack(centres))


def _scores(enlarge: Callable[[np.ndarray], np.ndarray], pairs: Pairs) -> list[tuple[float, float]]:
    """PSNR and SSIM of each picture."""
    scores = []
    for lr, hr in pairs:
        sr, hr = shave(enlarge(lr), pairs.scale), shave(hr, pairs.scale)
        scores.append((finite_psnr(sr, hr), ssim(sr, hr)))
    return scores


def _mean(scores: list[tuple[float, float]]) -> tuple[float, float]:
    mean_psnr, mean_ssim = np.mean(scores, axis=0)
    return float(mean_psnr), float(mean_ssim)
