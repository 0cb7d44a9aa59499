"""SRResNet, the generator of SRGAN, in the form that a CPU can train."""

import torch
from torch import nn
from torch.nn import functional as F

from srcnn.networks.bicubic import REACH, surrounded
from srcnn.networks.convolution import to_one_channel
from srcnn.networks.network import (
    Convolution,
    LowResolutionNetwork,
    check_counts,
    crop,
    equalize_phases,
    initialized,
)

_SUBPIXELS = 8  # feature maps at HR size, before the last convolution


class Block(nn.Module):
    """Two 3x3 convolutions and a skip, without batch normalization (EDSR, Lim et al. 2017)."""

    def __init__(self, features: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.first = initialized(Convolution(features, features, 3, padding=1), generator)
        self.second = initialized(Convolution(features, features, 3, padding=1), generator)
        if not self.second.weight.is_meta:
            self.second.weight.data *= 0.1  # so that a deep network starts near its skips

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, features, h, w) to the same."""
        return features + self.second(F.relu(self.first(features)))


class SRResNet(LowResolutionNetwork):
    """The residual network of Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a
    Generative Adversarial Network", CVPR 2017 (arXiv:1609.04802), section 2.1.

    As the paper's: residual blocks at LR size, a skip around all of them, sub-pixel convolution
    (Shi et al. 2016), and a convolution at HR size at its end. Other than the paper's: no batch
    normalization (as EDSR), one shuffle for the whole enlargement, whose pixels training keeps at
    equal gains (see `equalize_phases`), and bicubic interpolation as global skip.

    A feature's context is zero beyond the borders of a patch, and of a picture likewise.

    Args:
        scale: the enlargement.
        blocks: residual blocks; the paper has 16.
        features: feature maps; the paper has 64.
        residual: predict what bicubic interpolation misses instead of the picture itself.
        generator: source of the initial weights; None draws from torch's global one.

    Raises:
        ValueError: blocks or features is below 1.
    """

    name = "srresnet"
    hr_kernels = 1
    muon_factor = 0.5  # 0.15 dB on portraits after 2,400 steps

    def __init__(
        self,
        scale: int,
        blocks: int = 8,
        features: int = 32,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        check_counts("blocks, features", (blocks, features), 2)
        super().__init__(scale, REACH, residual)
        self.settings = {"blocks": blocks, "features": features, "residual": residual}
        self.label = f"SRResNet {blocks}x{features}"
        self.overlap = 2 * blocks + 3  # the head, the blocks, the tail and the last convolution
        self.head = initialized(Convolution(1, features, 3), generator)
        self.body = nn.Sequential(*(Block(features, generator) for _ in range(blocks)))
        tail = Convolution(features, _SUBPIXELS * scale**2, 3, padding=1)
        self.tail = initialized(tail, generator)
        self.last = initialized(Convolution(_SUBPIXELS, 1, 3), generator, small=True)

    def detail(self, lr: torch.Tensor) -> torch.Tensor:
        """See `LowResolutionNetwork.detail`."""
        first = F.relu(self.head(crop(lr, self.reach - 1)))
        features = first + self.body(first)
        large = F.pad(F.pixel_shuffle(self.tail(features), self.scale), (1, 1, 1, 1))
        large = large.to(lr.dtype, memory_format=torch.channels_last)
        with torch.autocast(lr.device.type, enabled=False):  # it makes the gray levels
            return to_one_channel(large, self.last.weight) + self.last.bias

    def region(
        self, lr: torch.Tensor, rows: slice, columns: slice, bfloat16: bool = False
    ) -> torch.Tensor:
        """See `Network.region`."""
        grown, inside = [], []
        for part, size in ((rows, lr.shape[2]), (columns, lr.shape[3])):
            # Not beyond the picture, where features are zero.
            start, stop = max(0, part.start - self.overlap), min(size, part.stop + self.overlap)
            grown.append(slice(start, stop))
            ends = (part.start - start) * self.scale, (part.stop - start) * self.scale
            inside.append(slice(*ends))
        sr = self.patch(surrounded(lr, grown[0], grown[1], self.reach), bfloat16)
        return sr[..., inside[0], inside[1]]

    def project(self) -> None:
        """See `Network.project`: no pattern of period `scale` on what is flat."""
        equalize_phases(self.tail, self.scale)
