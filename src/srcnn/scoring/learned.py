"""Perceptual measures from trained networks: VGG19 feature distance, SIFID, LPIPS: lower is better.

All see a luma as a screen shows it, black as 0 and white as 1, which the networks were trained on.
All are 0 for equal pictures. A network trained with a VGG19 loss is good at the VGG19 distance by
construction; LPIPS looks through another network (AlexNet) and is the more independent measure.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srcnn.data.color import full_range
from srcnn.perceptual import embedded
from srcnn.perceptual.loss import PerceptualLoss
from srcnn.perceptual.pretrained import (
    UnusableWeights,
    WeightsUnavailable,
    read_state_dict,
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
        # Before imports that take seconds. The rest of the name is a hash, which torchvision knows.
        if file is None and not download and not any(torch_cache().glob("alexnet-*")):
            raise WeightsUnavailable("AlexNet is not in torch's cache")
        from torchmetrics.image import LearnedPerceptualImagePatchSimilarity
        from torchvision.models import AlexNet_Weights

        # torchmetrics would wait without limit for a download and unpickle what is in the cache:
        # once this has passed, the file is there and holds nothing but tensors.
        weights = AlexNet_Weights.IMAGENET1K_V1
        with torch.random.fork_rng(devices=[]), _torch_cache_with(file, Path(weights.url).name):
            torchvision_state_dict(weights, download and file is None)
            try:
                lpips = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
            except RuntimeError as error:
                raise UnusableWeights(f"{file} is not torchvision's AlexNet: {error}") from None
        self._lpips = lpips.to(device)
        described = _described(file) if file else ""
        own = f"(sha256 {Path(weights.url).stem.rpartition('-')[2]}"
        self.weights = None if own in described else described or None
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


@contextmanager
def _torch_cache_with(file: Path | None, name: str) -> Iterator[None]:
    """While it lasts, torch's cache holds a file's tensors alone, under a name of its own."""
    if file is None:
        yield
        return
    state = read_state_dict(file)
    before = torch.hub._hub_dir  # None: what the environment says, which no public function sets
    with tempfile.TemporaryDirectory() as folder:
        torch.hub.set_dir(folder)
        try:
            torch_cache().mkdir()
            torch.save(state, torch_cache() / name)
            yield
        finally:
            torch.hub._hub_dir = before


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
