"""MATLAB's bicubic enlargement as a layer: what the networks improve on."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from srcnn.data.imresize import bicubic_matrix

REACH = 2  # LR pixels around one that its enlargement takes on each side


class Bicubic(nn.Module):
    """`imresize`'s enlargement by a whole factor: one fixed convolution and a pixel shuffle.

    The same as `imresize.bicubic_upscale` but for float32 rounding. Its kernels are no part
    of the state that model files hold.

    Args:
        scale: the enlargement.
    """

    kernels: torch.Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self._scale = scale
        self.register_buffer("kernels", _kernels(scale), persistent=False)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Enlarge the inner part of (B, 1, h, w): all but REACH pixels on each side.

        Returns:
            (B, 1, (h - 2 · REACH) · scale, (w - 2 · REACH) · scale).
        """
        return F.pixel_shuffle(F.conv2d(lr, self.kernels), self._scale)


def surrounded(pictures: torch.Tensor, rows: slice, columns: slice, reach: int) -> torch.Tensor:
    """These rows and columns of (B, C, h, w), and `reach` more on each side.

    Beyond its borders a picture is continued as by imresize: mirrored, the border pixel repeated.
    """
    for dim, part in ((2, rows), (3, columns)):
        index = torch.arange(part.start - reach, part.stop + reach, device=pictures.device)
        # a tensor: ONNX export needs it
        period = torch.full((1,), 2 * pictures.shape[dim], device=pictures.device)
        index = index % period
        pictures = pictures.index_select(dim, torch.minimum(index, period - 1 - index))
    return pictures


def _kernels(scale: int) -> torch.Tensor:
    """(scale², 1, 5, 5), a kernel for each of the scale by scale pixels that a pixel becomes."""
    taps = 2 * REACH + 1
    matrix = bicubic_matrix(3 * taps, 3 * taps * scale).toarray()
    rows = matrix[(taps + REACH) * scale : (taps + REACH + 1) * scale, taps : 2 * taps]
    kernels = np.einsum("iy,jx->ijyx", rows, rows).reshape(scale**2, 1, taps, taps)
    return torch.from_numpy(kernels.astype(np.float32))
