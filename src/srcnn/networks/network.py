"""What every network of the project is: LR luma in, SR luma out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import nn

from srcnn.networks.bicubic import REACH, Bicubic, surrounded


class Network(nn.Module, ABC):
    """A super-resolution network: LR luma (B, 1, h, w) to SR luma (B, 1, h · scale, w · scale).

    Luma is in [0, 1], SR is not clamped. All that training, tiling, export and serving ask of a
    network stands here; `srcnn.networks.NETWORKS` lists those there are.

    Attributes:
        name: in NETWORKS, params.yaml and model files.
        scale: the enlargement.
        reach: LR pixels beyond a training patch, on each side, that `patch` is given.
        margin: HR pixels at a patch's border that only serve as context, and do not come out.
        overlap: LR pixels on each side from which an SR pixel takes its context.
        residual: it predicts what bicubic interpolation misses and adds that.
        settings: what JSON can hold: `NETWORKS[name](scale=scale, **settings)` is this network.
        label: its title and sizes, for people: "SRCNN 9-5-5".
        hr_kernels: how many kernels, the last ones, see HR pixels; the others see LR pixels.
        muon_factor: times the rate of Muon that is asked for, so that one suits all networks.
    """

    name: str
    scale: int
    reach: int
    margin: int
    overlap: int
    residual: bool
    settings: dict[str, Any]
    label: str
    hr_kernels: int = 0
    muon_factor: float = 1.0

    def __init__(self, scale: int, residual: bool) -> None:
        super().__init__()
        self.scale = scale
        self.residual = residual
        self.bicubic = Bicubic(scale)

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        """Super-resolve whole pictures, continued beyond their borders by the network itself.

        Args:
            lr: (B, 1, h, w) luma in [0, 1].

        Returns:
            (B, 1, h · scale, w · scale), not clamped.
        """
        return self.region(lr, slice(0, lr.shape[2]), slice(0, lr.shape[3]))

    @abstractmethod
    def patch(self, lr: torch.Tensor, bfloat16: bool = False) -> torch.Tensor:
        """Super-resolve training patches whose context is there; nothing is padded.

        Args:
            lr: (B, 1, h + 2 · reach, w + 2 · reach).
            bfloat16: multiply in bfloat16 where it costs no gray levels.

        Returns:
            (B, 1, h · scale - 2 · margin, w · scale - 2 · margin).
        """

    @abstractmethod
    def region(
        self, lr: torch.Tensor, rows: slice, columns: slice, bfloat16: bool = False
    ) -> torch.Tensor:
        """A part of `forward`'s result, computed alone: what tiles are made of.

        Args:
            lr: whole pictures (B, 1, h, w).
            rows: start and stop, of the LR pixels whose enlargement is wanted.
            columns: the same.
            bfloat16: as for `patch`.

        Returns:
            (B, 1, rows · scale, columns · scale).
        """

    def kernels(self) -> list[nn.Parameter]:
        """All kernels (out, in, k, k), from the picture's end to the result's."""
        return [kernel for kernel in self.parameters() if kernel.dim() == 4]

    def hidden_kernels(self) -> list[nn.Parameter]:
        """The kernels that Muon may train: all but those that make the picture."""
        return self.kernels()[:-1]

    def centered_kernels(self) -> list[nn.Parameter]:
        """Kernels (out, in, k, k) whose means training keeps at zero.

        A correction of the bicubic need not depend on brightness. With first kernels of zero mean
        it cannot, and their training is not swamped by brightness, most of a picture's energy.
        """
        return self.kernels()[:1] if self.residual else []

    def project(self) -> None:
        """Make the weights meet what is demanded of them; called after each step of a training."""

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-adds for each HR pixel: a weight is used once for each pixel that it sees."""
        sizes = [kernel.numel() for kernel in self.kernels()]
        at_hr = sum(sizes[len(sizes) - self.hr_kernels :])
        return (sum(sizes) - at_hr) / self.scale**2 + at_hr


class Convolution(nn.Conv2d):
    weight: nn.Parameter  # which PyTorch takes for any tensor
    bias: nn.Parameter  # which Conv2d may also lack


class Deconvolution(nn.ConvTranspose2d):
    weight: nn.Parameter
    bias: nn.Parameter


Layer = TypeVar("Layer", Convolution, Deconvolution)


def initialized(layer: Layer, generator: torch.Generator | None, small: bool = False) -> Layer:
    """A convolution, filled as He et al. 2015, or small: a residual network starts as bicubic.

    Args:
        layer: the convolution; one without memory, on the device "meta", is left so.
        generator: source of the weights; None: torch's global one.
        small: a standard deviation of 0.001, as that of SRCNN's last layer.
    """
    if layer.weight.is_meta:
        return layer  # PyTorch would import its compiler for it
    if small:
        nn.init.normal_(layer.weight, std=0.001, generator=generator)
    else:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


class LowResolutionNetwork(Network):
    """A network that computes at LR size and enlarges at its end, without padding inside.

    Args:
        scale: the enlargement.
        reach: LR pixels that its convolutions take away on each side, at least REACH.
        residual: predict what bicubic interpolation misses and add it.
    """

    margin = 0

    def __init__(self, scale: int, reach: int, residual: bool) -> None:
        super().__init__(scale, residual)
        self.reach = self.overlap = reach

    @abstractmethod
    def detail(self, lr: torch.Tensor) -> torch.Tensor:
        """The network without its skip: (B, 1, h + 2 · reach, …) to (B, 1, h · scale, …)."""

    def patch(self, lr: torch.Tensor, bfloat16: bool = False) -> torch.Tensor:
        """See `Network.patch`."""
        with torch.autocast(lr.device.type, torch.bfloat16, enabled=bfloat16):
            detail = self.detail(lr)
        detail = detail.to(lr.dtype)
        if not self.residual:
            return detail
        return detail + self.bicubic(crop(lr, self.reach - REACH))

    def region(
        self, lr: torch.Tensor, rows: slice, columns: slice, bfloat16: bool = False
    ) -> torch.Tensor:
        """See `Network.region`."""
        return self.patch(surrounded(lr, rows, columns, self.reach), bfloat16)


@torch.no_grad()
def equalize_phases(conv: Convolution, scale: int) -> None:
    """Give the scale² pixels that a pixel shuffle makes of one the same answer to flat features.

    Without it flat areas get a pattern of period `scale`, which a perceptual or adversarial loss
    makes visible. The condition is that of Sugawara, Shiota and Kiya, "Super-Resolution Using
    Convolutional Neural Networks Without Any Checkerboard Artifacts", ICIP 2018: equal gain of all
    polyphase filters at frequency 0.

    Args:
        conv: whose (C · scale²) channels are shuffled to C; changed in place.
        scale: the enlargement.
    """
    for values in (conv.weight, conv.bias[:, None, None, None]):
        gains = values.mean(dim=(2, 3), keepdim=True).unflatten(0, (-1, scale**2))
        values -= (gains - gains.mean(dim=1, keepdim=True)).flatten(0, 1)


def crop(pictures: torch.Tensor, margin: int) -> torch.Tensor:
    """Cut `margin` pixels off each side of (..., H, W)."""
    return pictures[..., margin : pictures.shape[-2] - margin, margin : pictures.shape[-1] - margin]


def check_counts(what: str, values: Sequence[int], number: int, least: int = 1) -> None:
    """Raise a ValueError that names a setting unless it has so many values, of at least `least`."""
    if len(values) != number or any(value < least for value in values):
        raise ValueError(f"{what} is {list(values)}; it must hold {number} of at least {least}")
