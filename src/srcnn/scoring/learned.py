"""Perceptual measures from trained networks: VGG19 feature distance, SIFID, LPIPS: lower is better.

All see a luma as a screen shows it, black as 0 and white as 1, which the networks were trained on.
All are 0 for equal pictures. A network trained with a VGG19 loss is good at the VGG19 distance by
construction; LPIPS looks through another network (AlexNet) and is the more independent measure.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srcnn.data.color import full_range
from srcnn.perceptual import embedded
from srcnn.perceptual.loss import PerceptualLoss
from srcnn.perceptual.pretrained import (
    WeightsUnavailable,
    torch_cache,
    torchvision_state_dict,
)
from srcnn.scoring.naturalness import FrechetDistance, frechet


class VGGDistance:
    """Mean squared difference of VGG19's conv5_4 features, before activation.

    Args:
        weights: a file, "embedded" or "imagenet", see `vgg19.load`.
        download: see there.
        device: where to compute.

    Attributes:
        weights: whose they are, a file by its name and the beginning of its sha256.

    Raises:
        WeightsUnavailable, UnusableWeights: see `vgg19.load`.
    """

    smallest = 16  # pixels on each side

    def __init__(
        self,
        weights: str | Path = "embedded",
        download: bool = True,
        device: str | torch.device = "cpu",
    ) -> None:
        self._loss = PerceptualLoss({"conv5_4": 1.0}, weights, download=download).to(device)
        self.weights = _described(weights)
        self._device = device
        # The last HR and its features: SR and then bicubic are measured against the same.
        self._hr = torch.empty(0, device=device)
        self._targets: dict[str, Tensor] = {}

    @torch.inference_mode()
    def __call__(self, a: np.ndarray, b: np.ndarray, luma_range: str = "full") -> float:
        """Distance of two uint8 (H, W) lumas, at least 16x16; quickest where b is HR."""
        sr, hr = (_shown(luma, luma_range).to(self._device) for luma in (a, b))
        if not torch.equal(hr, self._hr):
            self._targets = self._loss.targets(hr)
            self._hr = hr
        return float(self._loss.to_targets(sr, self._targets))


class SIFID:
    """Single-image Fréchet distance: how far SR's local features are from HR's, wherever they lie.

    Perception, not distortion: detail that is like HR's counts, also where it lies elsewhere. As
    the SIFID of Shaham, Dekel and Michaeli (SinGAN, ICCV 2019), of the embedded VGG19's relu2_2 in
    place of Inception's first features, see `srcnn.scoring.naturalness.FrechetDistance`.

    Args:
        device: where to compute.

    Raises:
        UnusableWeights: see `vgg19.load`.
    """

    smallest = 32  # pixels on each side: twice as many positions as features

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._distance = FrechetDistance(device=device)
        # The last HR and its statistics: SR and then bicubic are measured against the same.
        self._hr: tuple[np.ndarray, str] | None = None
        self._statistics = torch.empty(0), torch.empty(0)

    def __call__(self, a: np.ndarray, b: np.ndarray, luma_range: str = "full") -> float:
        """Of two uint8 (H, W) lumas, at least 32x32; quickest where b is HR."""
        if self._hr is None or self._hr[1] != luma_range or not np.array_equal(self._hr[0], b):
            self._statistics = self._distance.statistics([b], luma_range)
            self._hr = b, luma_range
        return frechet(self._distance.statistics([a], luma_range), self._statistics)


class LPIPS:
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1 on AlexNet.

    Needs torchmetrics, which brings the learned linear weights; AlexNet (233 MB) is torchvision's,
    from torch's cache or the network.

    Args:
        download: whether AlexNet may be fetched when it is not in torch's cache.
        device: where to compute.

    Raises:
        WeightsUnavailable: AlexNet's weights cannot be had.
        UnusableWeights: the copy of them in torch's cache is damaged.
    """

    smallest = 31  # pixels on each side

    def __init__(self, download: bool = True, device: str | torch.device = "cpu") -> None:
        # Before imports that take seconds. The rest of the name is a hash, which torchvision knows.
        if not download and not any(torch_cache().glob("alexnet-*")):
            raise WeightsUnavailable("AlexNet is not in torch's cache")
        from torchmetrics.image import LearnedPerceptualImagePatchSimilarity
        from torchvision.models import AlexNet_Weights

        # torchmetrics would wait without limit for a download and unpickle what is in the cache:
        # once this has passed, the file is there and holds nothing but tensors.
        torchvision_state_dict(AlexNet_Weights.IMAGENET1K_V1, download)
        with torch.random.fork_rng(devices=[]):
            lpips = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
        self._lpips = lpips.to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(self, a: np.ndarray, b: np.ndarray, luma_range: str = "full") -> float:
        """LPIPS of two uint8 (H, W) lumas, at least 31x31; gray becomes three equal channels.

        Raises:
            ValueError: the pictures are smaller.
        """
        if min(a.shape) < self.smallest:
            raise ValueError(
                f"a picture is {a.shape[0]}x{a.shape[1]} pixels; LPIPS needs at least "
                f"{self.smallest}x{self.smallest}"
            )
        self._lpips.reset()
        pair = (_shown(luma, luma_range).expand(1, 3, *luma.shape) for luma in (a, b))
        return float(self._lpips(*(picture.to(self._device) for picture in pair)))


def _described(weights: str | Path) -> str:
    if weights == "imagenet":
        return "imagenet"
    path = embedded.FILE if weights == "embedded" else Path(weights)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{'embedded' if weights == 'embedded' else path.name} (sha256 {digest[:12]})"


def _shown(luma: np.ndarray, luma_range: str) -> Tensor:
    """A luma as a screen shows it, (1, 1, H, W) in [0, 1]."""
    levels = torch.from_numpy(np.array(luma, dtype=np.float32) / 255)[None, None]
    return full_range(levels, luma_range).clamp(0, 1)
