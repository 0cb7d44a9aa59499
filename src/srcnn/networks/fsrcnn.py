"""FSRCNN: SRCNN made fast by its own authors."""

import torch
from torch import nn

from srcnn.networks.network import (
    Convolution,
    Deconvolution,
    LowResolutionNetwork,
    check_counts,
    crop,
    initialized,
)

_TAIL = 9  # HR pixels a side to which one LR pixel's features contribute


class FSRCNN(LowResolutionNetwork):
    """Dong, Loy and Tang, "Accelerating the Super-Resolution Convolutional Neural Network", ECCV
    2016 (arXiv:1608.00367), section 3: features (5x5, d), shrinking (1x1, s), m mappings (3x3, s),
    expanding (1x1, d), each with PReLU, and a 9x9 deconvolution.

    Args:
        scale: the enlargement.
        d: feature maps at both ends.
        s: feature maps in the middle.
        m: mapping layers.
        residual: predict what bicubic interpolation misses instead of the picture itself.
        generator: source of the initial weights; None draws from torch's global one.

    Raises:
        ValueError: d or s is below 1, or m below 0.
    """

    name = "fsrcnn"

    def __init__(
        self,
        scale: int,
        d: int = 56,
        s: int = 12,
        m: int = 4,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        check_counts("d, s", (d, s), 2)
        check_counts("m", (m,), 1, least=0)
        spread = -(-(_TAIL // 2) // scale)  # LR pixels on each side that the tail takes
        super().__init__(scale, reach=2 + m + spread, residual=residual)
        self._spread = spread
        self.settings = {"d": d, "s": s, "m": m, "residual": residual}
        self.label = f"FSRCNN {d}-{s}-{m}"
        widths = [(1, d, 5), (d, s, 1), *[(s, s, 3)] * m, (s, d, 1)]
        hidden = [initialized(Convolution(*width), generator) for width in widths]
        self.hidden = nn.ModuleList(hidden)
        self.slopes = nn.ModuleList([nn.PReLU(width[1]) for width in widths])
        tail = Deconvolution(d, 1, _TAIL, scale, _TAIL // 2, scale - 1)
        self.deconvolution = initialized(tail, generator, small=True)

    def detail(self, lr: torch.Tensor) -> torch.Tensor:
        """See `LowResolutionNetwork.detail`."""
        features = lr
        for conv, slope in zip(self.hidden, self.slopes, strict=True):
            features = slope(conv(features))
        return crop(self.deconvolution(features), self._spread * self.scale)
