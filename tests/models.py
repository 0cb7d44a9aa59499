"""A small untrained network for tests: fast, and not the identity."""

from pathlib import Path

import torch

from srcnn.inference import SuperResolver
from srcnn.models import SRCNN


def resolver(scale: int = 2, luma: str = "full", residual: bool = True) -> SuperResolver:
    """A network whose correction is some gray levels strong."""
    torch.set_num_threads(1)  # networks this small only wait for a second thread
    generator = torch.Generator().manual_seed(0)
    model = SRCNN((5, 3, 3), (6, 4), residual, generator).eval()
    with torch.no_grad():
        model.reconstruct.weight *= 100
    return SuperResolver(model, scale, luma)


def model_file(folder: Path, scale: int = 2) -> Path:
    """The same in a file."""
    path = folder / "model.safetensors"
    path.write_bytes(resolver(scale).to_bytes())
    return path
