"""SRCNN, the first of the super-resolution CNNs."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from srcnn.networks.bicubic import REACH, surrounded
from srcnn.networks.convolution import to_one_channel
from srcnn.networks.network import Convolution, Network, check_counts, crop, initialized


class SRCNN(Network):
    """The three-layer network of Dong et al., "Image Super-Resolution Using Deep Convolutional
    Networks", TPAMI 2016 (arXiv:1501.00092), section 3.

    It computes at HR size, on the LR picture enlarged by bicubic interpolation. Patch extraction,
    non-linear mapping and reconstruction are one convolution each.

    Args:
        scale: the enlargement.
        kernels: the odd sizes of the three convolutions, "9-1-5" being (9, 1, 5).
        channels: feature maps after the first and the second convolution.
        residual: predict what bicubic interpolation misses and add it (Kim et al., VDSR, CVPR
            2016) instead of predicting the picture itself as the paper does.
        generator: source of the initial weights; None draws from torch's global one.

    Raises:
        ValueError: not three odd kernel sizes and two channel counts.
    """

    name = "srcnn"
    reach = REACH
    hr_kernels = 3

    def __init__(
        self,
        scale: int,
        kernels: Sequence[int] = (9, 5, 5),
        channels: Sequence[int] = (64, 32),
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(scale, residual)
        if len(kernels) != 3 or any(k < 1 or k % 2 == 0 for k in kernels):
            raise ValueError(f"kernels is {tuple(kernels)}; SRCNN needs three odd sizes")
        check_counts("channels", channels, 2)
        sizes = {"kernels": tuple(kernels), "channels": tuple(channels)}
        self.settings = sizes | {"residual": residual}
        self.label = f"SRCNN {'-'.join(map(str, kernels))}"
        self.extract = initialized(Convolution(1, channels[0], kernels[0]), generator)
        self.map = initialized(Convolution(channels[0], channels[1], kernels[1]), generator)
        # The paper's deviation: a small one lets the residual form start as bicubic.
        last = Convolution(channels[1], 1, kernels[2])
        self.reconstruct = initialized(last, generator, small=True)
        self.margin = sum(kernel // 2 for kernel in kernels)
        self.overlap = -(-self.margin // scale) + REACH

    def patch(self, lr: torch.Tensor, bfloat16: bool = False) -> torch.Tensor:
        """See `Network.patch`."""
        return self._valid(self.bicubic(lr), bfloat16)

    def region(
        self, lr: torch.Tensor, rows: slice, columns: slice, bfloat16: bool = False
    ) -> torch.Tensor:
        """See `Network.region`. The enlarged picture's borders are replicated, as in the paper."""
        upsampled = self.bicubic(surrounded(lr, rows, columns, self.overlap))
        for dim, part in ((2, rows), (3, columns)):
            start = (part.start - self.overlap + REACH) * self.scale  # of what is upsampled
            first = part.start * self.scale - self.margin
            last = part.stop * self.scale + self.margin
            wanted = torch.arange(first, last, device=lr.device)
            inside = wanted.clamp(0, lr.shape[dim] * self.scale - 1)
            upsampled = upsampled.index_select(dim, inside - start)
        return self._valid(upsampled, bfloat16)

    def _valid(self, upsampled: torch.Tensor, bfloat16: bool) -> torch.Tensor:
        """The pixels whose whole context is in (B, 1, H, W): `margin` fewer on each side."""
        upsampled = upsampled.contiguous(memory_format=torch.channels_last)
        features = F.relu(self.extract(upsampled), inplace=True)
        # The first convolution sees gray levels, which are finer than bfloat16, and the last makes
        # them.
        with torch.autocast(features.device.type, torch.bfloat16, enabled=bfloat16):
            features = F.relu(self.map(features), inplace=True)
        features = features.to(upsampled.dtype)
        picture = to_one_channel(features, self.reconstruct.weight) + self.reconstruct.bias
        return picture + crop(upsampled, self.margin) if self.residual else picture
