"""The super-resolution networks."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from srcnn.convolution import to_one_channel


class _Convolution(nn.Conv2d):
    bias: torch.Tensor  # which Conv2d may also lack


class SRCNN(nn.Module):
    """The three-layer network of Dong et al., "Image Super-Resolution Using Deep Convolutional
    Networks", TPAMI 2016 (arXiv:1501.00092), section 3.

    Its input is the LR picture already enlarged to HR size by bicubic interpolation. Patch
    extraction, non-linear mapping and reconstruction are one convolution each.

    Args:
        kernels: the odd sizes of the three convolutions, "9-1-5" being (9, 1, 5).
        channels: feature maps after the first and the second convolution.
        residual: predict what bicubic interpolation misses and add it (Kim et al., VDSR, CVPR
            2016) instead of predicting the picture itself as the paper does.
        generator: source of the initial weights; None draws from torch's global one.

    Raises:
        ValueError: not three odd kernel sizes and two channel counts.
    """

    def __init__(
        self,
        kernels: Sequence[int] = (9, 5, 5),
        channels: Sequence[int] = (64, 32),
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if len(kernels) != 3 or any(k < 1 or k % 2 == 0 for k in kernels):
            raise ValueError(f"kernels is {tuple(kernels)}; SRCNN needs three odd sizes")
        if len(channels) != 2 or any(c < 1 for c in channels):
            raise ValueError(f"channels is {tuple(channels)}; SRCNN needs two positive counts")
        self.kernels = tuple(kernels)
        self.channels = tuple(channels)
        self.residual = residual
        self.extract = _Convolution(1, channels[0], kernels[0])
        self.map = _Convolution(channels[0], channels[1], kernels[1])
        self.reconstruct = _Convolution(channels[1], 1, kernels[2])
        self._initialise(generator)

    @property
    def margin(self) -> int:
        """Pixels of context that `valid` uses up on each side."""
        return sum(kernel // 2 for kernel in self.kernels)

    @property
    def macs_per_pixel(self) -> int:
        """Multiply-adds for each HR pixel: the number of kernel weights."""
        return sum(conv.weight.numel() for conv in (self.extract, self.map, self.reconstruct))

    def forward(self, upsampled: torch.Tensor) -> torch.Tensor:
        """Super-resolve whole pictures; borders are replicated.

        Args:
            upsampled: (B, 1, H, W) luma in [0, 1], enlarged to HR size by bicubic interpolation.

        Returns:
            (B, 1, H, W) luma, not clamped.
        """
        return self.valid(F.pad(upsampled, [self.margin] * 4, mode="replicate"))

    def valid(self, upsampled: torch.Tensor, bfloat16: bool = False) -> torch.Tensor:
        """Super-resolve only the pixels whose whole context is there, as in training.

        Args:
            upsampled: (B, 1, H, W) luma in [0, 1], H and W greater than 2 · margin.
            bfloat16: compute the second convolution, most of the work, with bfloat16 factors. The
                first sees gray levels, which are finer than bfloat16, and the last makes them.

        Returns:
            (B, 1, H - 2 · margin, W - 2 · margin) luma, not clamped.
        """
        features = F.relu(self.extract(upsampled), inplace=True)
        with torch.autocast(features.device.type, torch.bfloat16, enabled=bfloat16):
            features = F.relu(self.map(features), inplace=True)
        features = features.to(upsampled.dtype)
        picture = to_one_channel(features, self.reconstruct.weight) + self.reconstruct.bias
        return picture + crop(upsampled, self.margin) if self.residual else picture

    def _initialise(self, generator: torch.Generator | None) -> None:
        if self.extract.weight.is_meta:
            return  # there is nothing to fill, and PyTorch would import its compiler for it
        for conv in (self.extract, self.map):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(conv.bias)
        # The paper's deviation; a small last layer lets the residual form start as bicubic.
        nn.init.normal_(self.reconstruct.weight, std=0.001, generator=generator)
        nn.init.zeros_(self.reconstruct.bias)


def crop(pictures: torch.Tensor, margin: int) -> torch.Tensor:
    """Cut `margin` pixels off each side of (..., H, W)."""
    return pictures[..., margin : pictures.shape[-2] - margin, margin : pictures.shape[-1] - margin]
