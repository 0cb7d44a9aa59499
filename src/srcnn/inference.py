"""From an LR picture to an SR picture with a trained network."""

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn import functional as F

from srcnn.degradation import upscale
from srcnn.models import SRCNN

CPU_TILE = 128  # HR pixels a side that are computed at once: the feature maps fit in the cache
TILE = 1024  # on other devices


class UnusableModel(ValueError):
    """The file is not a trained SRCNN of this library."""


@dataclass(frozen=True)
class SuperResolver:
    """A trained network with what one must know to use it.

    Attributes:
        model: the network, on the device it shall run on.
        scale: the enlargement it was trained for.
        luma: the range of the luma it was trained on, "full" or "studio".
        precision: what it was trained in, "float32" or "bfloat16"; it is used in float32.
    """

    model: SRCNN
    scale: int
    luma: str
    precision: str = "float32"

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """Super-resolve one luma picture.

        Args:
            lr: (h, w), uint8, or floating point in 0..255 that was never rounded.

        Returns:
            uint8 (h · scale, w · scale), clamped and rounded.
        """
        upsampled = torch.from_numpy(upscale(lr.astype(np.float64), self.scale) / 255)
        weight = self.model.extract.weight
        picture = upsampled.to(weight.device, weight.dtype)
        padded = F.pad(picture[None, None], [self.model.margin] * 4, mode="replicate")
        return to_uint8(valid_by_tiles(self.model, padded)[0, 0].cpu().numpy() * 255)

    def to_bytes(self) -> bytes:
        """The model as a safetensors file: the same model gives the same bytes."""
        about = {
            "kernels": self.model.kernels,
            "channels": self.model.channels,
            "residual": self.model.residual,
            "scale": self.scale,
            "luma": self.luma,
            "precision": self.precision,
        }
        tensors = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.model.state_dict().items()
        }
        # One metadata entry: the order of several is not fixed from one process to the next.
        return save(tensors, metadata={"srcnn": json.dumps(about)})

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> Self:
        """Read a model that `to_bytes` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            UnusableModel: the file is no safetensors file, or not one of an SRCNN.
        """
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such model file")
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["srcnn"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            model = SRCNN(about["kernels"], about["channels"], about["residual"])
            model.load_state_dict(tensors)
            model = model.to(device).eval()
            resolver = cls(model, about["scale"], about["luma"], about.get("precision", "float32"))
        except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
            raise UnusableModel(f"{path} is not a trained SRCNN of this project: {error}") from None
        model.to(memory_format=torch.channels_last)
        return resolver


def valid_by_tiles(model: SRCNN, upsampled: torch.Tensor) -> torch.Tensor:
    """`SRCNN.valid` for pictures of any size, in the memory that a tile needs.

    On a CPU the tiles' feature maps stay in its cache, which for large pictures doubles the speed.

    Args:
        model: the network.
        upsampled: (B, 1, H, W) luma in [0, 1], H and W greater than 2 · margin.

    Returns:
        (B, 1, H - 2 · margin, W - 2 · margin) luma, not clamped.
    """
    batch, _, height, width = upsampled.shape
    tile, pictures = (CPU_TILE, 1) if upsampled.device.type == "cpu" else (TILE, batch)
    context = 2 * model.margin
    sr = upsampled.new_empty(batch, 1, height - context, width - context)
    tops, lefts = range(0, height - context, tile), range(0, width - context, tile)
    with torch.inference_mode():
        for i, top, left in product(range(0, batch, pictures), tops, lefts):
            some = slice(i, i + pictures)
            window = upsampled[some, :, top : top + tile + context, left : left + tile + context]
            sr[some, :, top : top + tile, left : left + tile] = model.valid(
                window.contiguous(memory_format=torch.channels_last)
            )
    return sr


def bicubic(lr: np.ndarray, scale: int) -> np.ndarray:
    """The baseline: LR enlarged by MATLAB's bicubic, clamped and rounded once at the end.

    Args:
        lr: (h, w), uint8, or floating point in 0..255 that was never rounded.
        scale: enlargement.

    Returns:
        uint8 (h · scale, w · scale).
    """
    return to_uint8(upscale(lr.astype(np.float64), scale))


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Clamp gray levels to 0..255 and round them to uint8; a network that diverged gives black."""
    levels = np.clip(np.nan_to_num(picture), 0, 255)
    return np.rint(levels, out=levels).astype(np.uint8)
