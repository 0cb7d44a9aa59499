"""Convolution to one channel: the reconstruction layer, at matrix speed on a CPU."""

import torch
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F


def to_one_channel(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`F.conv2d(features, weight)` for a kernel with a single output channel.

    oneDNN vectorises over output channels, so a single one leaves its vectors all but empty. Here
    every feature pixel scatters its k · k contributions instead: one small matrix product.

    Args:
        features: (B, C, H, W), best in channels_last.
        weight: (1, C, k, k).

    Returns:
        (B, 1, H - k + 1, W - k + 1), the same as F.conv2d but for float rounding.
    """
    if features.device.type != "cpu" or torch.compiler.is_exporting():
        return F.conv2d(features, weight)
    return _Scatter.apply(features, weight)


class _Scatter(torch.autograd.Function):
    """Autograd alone would give the gradients too, but in the memory format that is slow here."""

    @staticmethod
    def forward(ctx: FunctionCtx, features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(features, weight)
        height, width = features.shape[2:]
        k = weight.shape[-1]
        contributions = _as_matrix(weight) @ _as_pixels(features).transpose(1, 2)
        return F.fold(contributions, (height - k + 1, width - k + 1), k, padding=k - 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features, weight = ctx.saved_tensors  # type: ignore[attr-defined]  # its C++ base has them
        k = weight.shape[-1]
        gathered = F.unfold(gradient, k, padding=k - 1)  # (B, k · k, H · W)
        by_feature = gathered.transpose(1, 2) @ _as_matrix(weight)
        by_weight = (gathered @ _as_pixels(features)).sum(0).T.reshape(weight.shape).flip(2, 3)
        batch, channels, height, width = features.shape
        return by_feature.reshape(batch, height, width, channels).permute(0, 3, 1, 2), by_weight


def _as_matrix(weight: torch.Tensor) -> torch.Tensor:
    """(k · k, C): row j is what a feature pixel adds to its j-th neighbour."""
    return weight.flip(2, 3).reshape(weight.shape[1], -1).T


def _as_pixels(features: torch.Tensor) -> torch.Tensor:
    """(B, H · W, C), a view if the features are channels_last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)
