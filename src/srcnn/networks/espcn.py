"""ESPCN, the network that brought the sub-pixel convolution."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from srcnn.networks.network import Convolution, LowResolutionNetwork, check_counts, initialized


class ESPCN(LowResolutionNetwork):
    """Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network", CVPR 2016 (arXiv:1609.05158), section 3: 5-3-3, tanh, and a
    shuffle of scale² channels to pixels.

    Args:
        scale: the enlargement.
        channels: feature maps after the first and the second convolution; the paper's are 64, 32.
        residual: predict what bicubic interpolation misses instead of the picture itself.
        generator: source of the initial weights; None draws from torch's global one.

    Raises:
        ValueError: not two positive channel counts.
    """

    name = "espcn"

    def __init__(
        self,
        scale: int,
        channels: Sequence[int] = (64, 32),
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(scale, reach=4, residual=residual)
        check_counts("channels", channels, 2)
        self.settings = {"channels": tuple(channels), "residual": residual}
        self.label = f"ESPCN {'-'.join(map(str, channels))}"
        self.extract = initialized(Convolution(1, channels[0], 5), generator)
        self.map = initialized(Convolution(channels[0], channels[1], 3), generator)
        self.shuffle = initialized(Convolution(channels[1], scale**2, 3), generator, small=True)

    def detail(self, lr: torch.Tensor) -> torch.Tensor:
        """See `LowResolutionNetwork.detail`."""
        features = torch.tanh(self.map(torch.tanh(self.extract(lr))))
        return F.pixel_shuffle(self.shuffle(features), self.scale)
