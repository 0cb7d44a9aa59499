"""Networks that tell reconstructed pictures from originals."""

import torch
from torch import nn
from torch.nn import functional as F

from srcnn.networks.network import Convolution, initialized

_SLOPE = 0.2  # of the leaky ReLU, as in both papers


class PatchDiscriminator(nn.Module):
    """A small discriminator, which judges every neighborhood by itself (Isola et al., "Image-to-
    Image Translation with Conditional Adversarial Networks", CVPR 2017, section 3.2.2).

    Pixels are first rearranged to four maps of half the size (Shi et al. 2016), so that nothing is
    computed at HR size: a quarter of the cost of the paper's on a CPU.

    Args:
        features: feature maps of its first layer; two and four times as many in the next ones.
        generator: source of the initial weights; None draws from torch's global one.
    """

    def __init__(self, features: int = 32, generator: torch.Generator | None = None) -> None:
        super().__init__()
        widths = [(4, features, 1), (features, 2 * features, 2), (2 * features, 4 * features, 2)]
        self.layers = nn.ModuleList(
            initialized(Convolution(inputs, outputs, 3, stride, 1), generator)
            for inputs, outputs, stride in widths
        )
        self.logits = initialized(Convolution(4 * features, 1, 3, padding=1), generator)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) luma in [0, 1], H and W even, to logits (B, 1, H / 8, W / 8)."""
        x = F.pixel_unshuffle(pictures, 2).contiguous(memory_format=torch.channels_last)
        for conv in self.layers:
            x = F.leaky_relu(conv(x), _SLOPE)
        return self.logits(x)


class SRGANDiscriminator(nn.Module):
    """The discriminator of Ledig et al. (SRGAN, CVPR 2017), figure 4: eight 3x3 convolutions, each
    second with stride 2, the feature maps doubled with it, and two dense layers.

    Other than the paper's: no batch normalization, which ties the pictures of a batch together,
    and the mean over positions before the dense layers, so that patches may be of any size.

    Args:
        features: feature maps of its first layer; the paper has 64.
        generator: source of the initial weights; None draws from torch's global one.
    """

    def __init__(self, features: int = 64, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        inputs = 1
        for outputs in (features * 2**block for block in range(4)):
            for stride in (1, 2):
                conv = Convolution(inputs, outputs, 3, stride, padding=1)
                self.layers.append(initialized(conv, generator))
                inputs = outputs
        self.dense = initialized(Convolution(inputs, 16 * features, 1), generator)
        self.logits = initialized(Convolution(16 * features, 1, 1), generator)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) luma in [0, 1] to logits (B, 1, 1, 1)."""
        x = pictures.contiguous(memory_format=torch.channels_last)
        for conv in self.layers:
            x = F.leaky_relu(conv(x), _SLOPE)
        x = x.mean(dim=(2, 3), keepdim=True)
        return self.logits(F.leaky_relu(self.dense(x), _SLOPE))


DISCRIMINATORS = {"patch": PatchDiscriminator, "srgan": SRGANDiscriminator}
"""Every discriminator, by its name in params.yaml."""
