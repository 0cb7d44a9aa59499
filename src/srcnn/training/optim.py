"""Optimizers and the learning rate's course."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from srcnn.networks.network import Network


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised (Keller Jordan et al., "Muon", 2024), for convolution kernels.

    A kernel (out, in, k, k) is taken as the matrix (out, in·k·k). Each update is the nearest
    semi-orthogonal matrix to the Nesterov momentum, found by five Newton–Schulz steps: all
    directions of a layer learn at the same rate, however small their gradients. Our own, because
    `torch.optim.Muon` takes matrices only.

    Args:
        params: kernels of two or more dimensions.
        lr: step length; with it each update has spectral norm of about lr · sqrt(max(1, out/in)).
        momentum: decay of the running mean of the gradients.
    """

    def __init__(
        self, params: Iterable[torch.Tensor], lr: float = 0.02, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # takes no closure
        """Update every kernel that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, dict[torch.Tensor, torch.Tensor]] = {}
            for kernel in group["params"]:
                if kernel.grad is not None:
                    by_shape.setdefault(kernel.shape, {})[kernel] = kernel.grad
            for shape, kernels in by_shape.items():
                # Together: a deep network's many small kernels would mostly wait for threads.
                momenta = [self._nesterov(*item, group["momentum"]) for item in kernels.items()]
                matrices = orthogonalise(torch.stack(momenta).reshape(len(kernels), shape[0], -1))
                length = group["lr"] * math.sqrt(max(1.0, matrices.shape[1] / matrices.shape[2]))
                for kernel, matrix in zip(kernels, matrices, strict=True):
                    kernel.sub_(matrix.reshape(shape), alpha=length)

    def _nesterov(
        self, kernel: torch.Tensor, gradient: torch.Tensor, momentum: float
    ) -> torch.Tensor:
        state = self.state[kernel]
        if not state:
            state["momentum"] = torch.zeros_like(kernel)
        mean = state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum)


def orthogonalise(matrices: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """Replace all singular values of matrices (..., n, m) by values near 1.

    Newton–Schulz iteration with the quintic of Jordan et al. (2024), whose coefficients trade
    exactness (singular values end in about 0.7..1.2) for speed. Zero stays zero.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    wide = matrices.mT if is_tall else matrices
    wide = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide.mT if is_tall else wide


def center_kernels(kernels: torch.Tensor) -> None:
    """Take its mean off each of the kernels (out, in, k, k), in place."""
    kernels -= kernels.mean(dim=(1, 2, 3), keepdim=True)


@dataclass(frozen=True)
class Optimization:
    """How the weights are changed.

    Attributes:
        optimizer: "muon" (for the network's hidden kernels, with Adam for the rest), "adam",
            "adamw" or "sgd".
        lr: peak rate of everything that Muon does not train.
        muon_lr: peak rate of Muon's kernels.
        momentum: of muon and sgd.
        weight_decay: of adamw and sgd.
        schedule: see `schedule`.
        warmup: share of the steps in which the rate rises.
    """

    optimizer: str = "muon"
    lr: float = 1e-3
    muon_lr: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    warmup: float = 0.1


def build_optimizers(network: Network, how: Optimization) -> list[torch.optim.Optimizer]:
    """The optimizers that train a network together.

    Raises:
        ValueError: unknown name.
    """
    parameters = list(network.parameters())
    if how.optimizer == "adam":
        return [torch.optim.Adam(parameters, how.lr)]
    if how.optimizer == "adamw":
        return [torch.optim.AdamW(parameters, how.lr, weight_decay=how.weight_decay)]
    if how.optimizer == "sgd":
        decay = how.weight_decay
        return [torch.optim.SGD(parameters, how.lr, how.momentum, weight_decay=decay)]
    if how.optimizer == "muon":
        kernels = network.hidden_kernels()
        rest = [p for p in parameters if all(p is not kernel for kernel in kernels)]
        muon = Muon(kernels, how.muon_lr * network.muon_factor, how.momentum)
        return [muon, torch.optim.Adam(rest, how.lr)]
    raise ValueError(f"optimizer is {how.optimizer!r}; allowed are muon, adam, adamw, sgd")


def schedule(name: str, step: int, steps: int, warmup: float) -> float:
    """The learning rate of a step as a share of its peak.

    Args:
        name: "one-cycle" (Smith and Topin 2018: a cosine from 1/25 up, a cosine down to nothing),
            "cosine" (Loshchilov and Hutter 2017: linear warm-up, a cosine down) or "constant"
            (linear warm-up only).
        step: 0 .. steps - 1.
        steps: length of the training.
        warmup: share of the steps in which the rate rises.

    Returns:
        A factor in 0..1.

    Raises:
        ValueError: unknown name.
    """
    rising = warmup * steps
    if step < rising:
        progress = (step + 1) / (rising + 1)
        if name == "one-cycle":
            return 1 + (1 / 25 - 1) * _cosine(progress)
        return progress
    if name == "constant":
        return 1.0
    if name in ("one-cycle", "cosine"):
        return _cosine((step - rising) / (steps - rising))
    raise ValueError(f"schedule is {name!r}; allowed are one-cycle, cosine, constant")


def _cosine(progress: float) -> float:
    """From 1 at progress 0 down to 0 at progress 1."""
    return (1 + math.cos(math.pi * progress)) / 2
