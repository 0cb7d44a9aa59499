"""Perceptual measures from trained networks: VGG19 feature distance, SIFID, LPIPS: lower is better.

All see a luma as a screen shows it, black as 0 and white as 1, which the networks were trained on.
All are 0 for equal pictures. A network trained with a VGG19 loss is good at the VGG19 distance by
construction; LPIPS looks through another network (AlexNet) and is the more independent measure.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srcnn.perceptual import embedded
from srcnn.perceptual.loss import VGG19Features
from srcnn.perceptual.pretrained import (
    UnusableWeights,
    WeightsUnavailable,
    is_cached,
    read_state_dict,
    torchvision_state_dict,
)
from srcnn.scoring.naturalness import FrechetDistance, frechet, shown

Seen = TypeVar("Seen")

_LAYER = "conv5_4"


class VGGDistance:
    """Mean squared difference of VGG19's conv5_4 features, before activation.

    Args:
        weights: a file, "embedded" or "imagenet", see `vgg19.load`.
        device: where to compute.

    Attributes:
        weights: whose they are, a file by its name and the beginning of its sha256.

    Raises:
        WeightsUnavailable, UnusableWeights: see `vgg19.load`.
    """

    smallest = 16  # pixels on each side

    def __init__(
        self, weights: str | Path = "embedded", device: str | torch.device = "cpu"
    ) -> None:
        self._network = VGG19Features([_LAYER], weights).to(device)
        self.weights = _described(weights)
        self._device = device
        self._of_hr = _remembering(self._features)

    @torch.inference_mode()
    def __call__(self, a: np.ndarray, b: np.ndarray, luma_range: str = "full") -> float:
        """Distance of two uint8 (H, W) lumas, at least 16x16; quickest where b is HR."""
        return float(F.mse_loss(self._features(a, luma_range), self._of_hr(b, luma_range)))

    def _features(self, luma: np.ndarray, luma_range: str) -> Tensor:
        return self._network(shown(luma, luma_range).to(self._device))[_LAYER]


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
        self._distance = FrechetDistance(device)
        self._of_hr = _remembering(self._statistics)

    def __call__(self, a: np.ndarray, b: np.ndarray, luma_range: str = "full") -> float:
        """Of two uint8 (H, W) lumas, at least 32x32; quickest where b is HR."""
        return frechet(self._statistics(a, luma_range), self._of_hr(b, luma_range))

    def _statistics(self, luma: np.ndarray, luma_range: str) -> tuple[Tensor, Tensor]:
        return self._distance.statistics([luma], luma_range)


class LPIPS:
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1 on AlexNet.

    Needs torchmetrics, which brings the learned linear weights; AlexNet (233 MB) is torchvision's,
    from a file, torch's cache or the network.

    Args:
        download: whether AlexNet may be fetched when it is not in torch's cache.
        device: where to compute.
        file: torchvision's AlexNet, .safetensors or .pth; then nothing else is looked for.

    Attributes:
        weights: the file and its sha256; None: torchvision's own.

    Raises:
        WeightsUnavailable: AlexNet's weights cannot be had.
        UnusableWeights: the file, or the copy in torch's cache, is damaged or no AlexNet.
    """

    smallest = 31  # pixels on each side

    def __init__(
        self,
        download: bool = True,
        device: str | torch.device = "cpu",
        file: Path | None = None,
    ) -> None:
        # Before imports that take seconds.
        if file is None and not download and not is_cached("alexnet"):
            raise WeightsUnavailable("AlexNet is not in torch's cache")
        # The public LearnedPerceptualImagePatchSimilarity would get AlexNet by itself: it waits
        # without limit for a download, and unpickles what is in the cache.
        from torchmetrics.functional.image.lpips import _LPIPS
        from torchvision.models import AlexNet_Weights

        weights = AlexNet_Weights.IMAGENET1K_V1
        state = read_state_dict(file) if file else torchvision_state_dict(weights)
        with torch.random.fork_rng(devices=[]):
            self._lpips = _LPIPS(pnet_rand=True)
        alexnet = self._lpips.net  # whose layers are called slice1.0.weight and so on
        try:
            own = {key: state[f"features.{key.partition('.')[2]}"] for key in alexnet.state_dict()}
            alexnet.load_state_dict(own)
        except (KeyError, RuntimeError) as error:
            problem = " ".join(str(error).split())
            raise UnusableWeights(
                f"{file or weights} is not torchvision's AlexNet: {problem}"
            ) from None
        self._lpips.to(device)
        described = _described(file) if file else ""
        torchvisions = f"(sha256 {Path(weights.url).stem.rpartition('-')[2]}"
        self.weights = None if torchvisions in described else described or None
        self._device = device

    @torch.inference_mode()
    def __call__(self, a: np.ndarray, b: np.ndarray, luma_range: str = "full") -> float:
        """LPIPS of two uint8 (H, W) lumas, at least 31x31; gray becomes three equal channels."""
        pair = (shown(luma, luma_range).to(self._device).expand(1, 3, -1, -1) for luma in (a, b))
        return float(self._lpips(*pair, normalize=True))


def _remembering(compute: Callable[[np.ndarray, str], Seen]) -> Callable[[np.ndarray, str], Seen]:
    """The same of a luma and its range, with its last result kept: SR and bicubic have one HR."""

    @lru_cache(maxsize=1)
    def of(pixels: bytes, shape: tuple[int, ...], luma_range: str) -> Seen:
        return compute(np.frombuffer(pixels, np.uint8).reshape(shape), luma_range)

    return lambda luma, luma_range: of(luma.tobytes(), luma.shape, luma_range)


def _described(weights: str | Path) -> str:
    if weights == "imagenet":
        return "imagenet"
    path = embedded.FILE if weights == "embedded" else Path(weights)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{'embedded' if weights == 'embedded' else path.name} (sha256 {digest[:12]})"
