"""The perceptual loss: how far apart two pictures are in the features of a frozen VGG19.

Johnson, Alahi, Fei-Fei: Perceptual losses for real-time style transfer and super-resolution (2016);
Ledig et al.: Photo-realistic single image super-resolution using a GAN (SRGAN, 2017).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcnn.perceptual import vgg19

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

LAYERS = tuple(
    layer for name in vgg19.CONVOLUTIONS for layer in (name, name.replace("conv", "relu"))
)
"""Every layer there is to choose, in order: `conv5_4` before its activation, `relu5_4` after."""


class VGG19Features(nn.Module):
    """The activations of chosen layers of a frozen VGG19, run no deeper than the deepest of them.

    The weights are buffers outside the state dict, not parameters: no optimizer can train them and
    no checkpoint stores them, yet `.to(device)` moves them. Building the network draws nothing from
    torch's global random numbers, so a run with this loss starts as one without it does.

    Args:
        layers: names out of `LAYERS`. The SRGAN paper's VGG2,2 is relu2_2, its VGG5,4 relu5_4;
            ESRGAN takes conv5_4.
        weights: see `vgg19.load`.
        dtype: what to compute in; the activations are of it.

    Raises:
        ValueError: a layer that VGG19 does not have.
        WeightsUnavailable, UnusableWeights: see `vgg19.load`.
    """

    mean: Tensor
    std: Tensor
    conv1_1_kernel: Tensor

    def __init__(
        self,
        layers: Iterable[str],
        weights: str | Path = "embedded",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.layers = frozenset(layers)
        if unknown := self.layers.difference(LAYERS):
            raise ValueError(f"VGG19 has no layer {min(unknown)}; it has {', '.join(LAYERS)}")
        deepest = max(LAYERS.index(layer) for layer in self.layers)
        self.convolutions = list(vgg19.CONVOLUTIONS)[: deepest // 2 + 1]
        for name, value in vgg19.load(self.convolutions, weights).items():
            kernel = value.kernel.to(dtype, memory_format=torch.channels_last)
            self.register_buffer(f"{name}_kernel", kernel, persistent=False)
            self.register_buffer(f"{name}_bias", value.bias.to(dtype), persistent=False)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Activations by layer, in order of depth.

        Args:
            pictures: (B, 1, H, W) in [0, 1], not clamped, a pixel wide after the last halving.
                Gray becomes three equal channels, then ImageNet's mean is taken off and its
                standard deviation divided out.

        Returns:
            layer -> (B, C, h, w), H and W halved (rounded down) once for each block before it.
        """
        x = (pictures - self.mean) / self.std  # (B, 1, H, W) - (1, 3, 1, 1) repeats the gray
        x = x.to(self.conv1_1_kernel.dtype, memory_format=torch.channels_last)
        activations = {}
        for name in self.convolutions:
            if name.endswith("_1") and name != "conv1_1":
                x = blocks_max(x) if x.device.type == "mps" else F.max_pool2d(x, 2)
            kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
            x = F.conv2d(x, kernel, bias, padding=1)
            if name in self.layers:
                activations[name] = x
            x = F.relu(x, inplace=name not in self.layers)
            relu = name.replace("conv", "relu")
            if relu in self.layers:
                activations[relu] = x
        return activations


class PerceptualLoss(nn.Module):
    """Weighted sum, over layers of VGG19, of the mean feature distance between SR and HR.

    With the features f_l(x) of layer l, its weight w_l and the feature scale s:
    sum of w_l * mean(d(s * f_l(SR) - s * f_l(HR))), where d(x) is x² or |x| and the mean is over
    batch, channels and positions. The gradient goes to SR only.

    Args:
        layers: layer -> its weight w_l, above 0.
        weights: see `vgg19.load`.
        distance: "mse" (as in both papers) or "l1" (as in ESRGAN).
        feature_scale: s: 1, or the SRGAN paper's 1 / 12.75, which makes the MSE 163 times smaller.
        dtype: what to compute the features in; their distance is taken in that of the pictures.

    Raises:
        ValueError: a layer that VGG19 does not have.
        WeightsUnavailable, UnusableWeights: see `vgg19.load`.
    """

    def __init__(
        self,
        layers: Mapping[str, float],
        weights: str | Path = "embedded",
        distance: str = "mse",
        feature_scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.features = VGG19Features(layers, weights, dtype)
        self.layers = dict(layers)
        self.distance = {"mse": F.mse_loss, "l1": F.l1_loss}[distance]
        self.factor = feature_scale**2 if distance == "mse" else feature_scale

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The loss, a scalar, of SR against HR: both (B, 1, H, W) in [0, 1], not clamped."""
        with torch.no_grad():
            targets = self.features(hr)
        distances = [
            self.layers[layer] * self.distance(activation.to(sr.dtype), targets[layer].to(sr.dtype))
            for layer, activation in self.features(sr).items()
        ]
        return self.factor * torch.stack(distances).sum()


def blocks_max(x: Tensor) -> Tensor:
    """`F.max_pool2d(x, 2)` where its gradient is refused in deterministic mode, which is on MPS.

    The same bits on finite values: of equal ones the first in reading order gets the gradient.

    Args:
        x: (B, C, H, W), at least 2x2; of odd sides the last row or column is left out.

    Returns:
        (B, C, H // 2, W // 2).
    """
    height, width = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    rows = [x[..., row:height:2, :] for row in (0, 1)]
    left, right = ([row[..., side:width:2] for row in rows] for side in (0, 1))
    upper, lower = (torch.where(b > a, b, a) for a, b in zip(left, right, strict=True))
    return torch.where(lower > upper, lower, upper)
