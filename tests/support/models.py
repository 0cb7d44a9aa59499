"""Small untrained networks for tests: fast, and not the identity."""

from pathlib import Path

import torch

from srcnn.inference.resolver import SuperResolver
from srcnn.networks import build
from srcnn.networks.network import Network

_SMALL = {
    "srcnn": {"kernels": (5, 3, 3), "channels": (6, 4)},
    "fsrcnn": {"d": 6, "s": 4, "m": 2},
    "espcn": {"channels": (6, 4)},
    "srresnet": {"blocks": 1, "features": 4},
}


def network(name: str, scale: int = 2, residual: bool = True, seed: int = 0) -> Network:
    """One of NETWORKS, small."""
    generator = torch.Generator().manual_seed(seed)
    return build(name, scale, _SMALL[name] | {"residual": residual}, generator).eval()


def perturbed(model: Network) -> Network:
    """A network none of whose weights and biases is zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model


def resolver(
    scale: int = 2, luma: str = "full", residual: bool = True, name: str = "srcnn"
) -> SuperResolver:
    """A network whose correction is some gray levels strong."""
    torch.set_num_threads(1)  # networks this small only wait for a second thread
    model = network(name, scale, residual)
    with torch.no_grad():
        [weights for weights in model.parameters() if weights.dim() == 4][-1].mul_(100)
    # As loading a file does: the bits of a convolution depend on it.
    return SuperResolver(model.to(memory_format=torch.channels_last), luma)


def model_file(folder: Path, scale: int = 2) -> Path:
    """The same in a file."""
    path = folder / "model.safetensors"
    path.write_bytes(resolver(scale).to_bytes())
    return path
