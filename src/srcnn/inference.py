"""From an LR picture to an SR picture with a trained network."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn import functional as F

from srcnn.imresize import bicubic_upscale
from srcnn.masking import brief
from srcnn.models import SRCNN

SCALES = (2, 3, 4, 8)  # for which networks are trained

_ALLOWED = {
    "residual": (True, False),
    "scale": SCALES,
    "luma": ("full", "studio"),
    "precision": ("float32", "bfloat16"),
}

# What JSON and PyTorch raise for texts, nesting, and sizes that cannot be.
_IMPOSSIBLE = (ValueError, RecursionError, TypeError, RuntimeError, OverflowError)

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
        upsampled = torch.from_numpy(bicubic_upscale(lr.astype(np.float64), self.scale) / 255)
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
        about["sha256"] = _checksum(about, tensors)
        # One metadata entry: the order of several is not fixed from one process to the next.
        return save(tensors, metadata={"srcnn": json.dumps(about)})

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> Self:
        """Read a model that `to_bytes` wrote.

        Nothing of the file is believed: what it says of the network is checked against the list of
        its tensors before any memory is taken.

        Raises:
            FileNotFoundError: there is no such file.
            UnusableModel: the file is no safetensors file, not one of an SRCNN, or damaged.
        """
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such model file")
        try:
            if not path.is_file():
                raise ValueError("it is not a file")
            with safe_open(path, framework="pt") as file:
                about = _described(file.metadata())
                with torch.device("meta"):  # shapes without memory
                    model = SRCNN(about["kernels"], about["channels"], about["residual"])
                _check_tensors(file, model)
                tensors = {name: file.get_tensor(name) for name in model.state_dict()}
            checksum = _checksum(about, tensors)
            if about.get("sha256", checksum) != checksum:  # older files do not speak of it
                raise ValueError("it is damaged: it does not have the checksum that stands in it")
            damaged = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
            if damaged:
                raise ValueError(f"{damaged[0]} is not all finite")
        except (SafetensorError, OSError, *_IMPOSSIBLE) as error:
            raise UnusableModel(
                f"{path} is not a trained SRCNN of this project: {brief(error)}"
            ) from None
        model.load_state_dict(tensors, assign=True)
        model.eval().to(device).to(memory_format=torch.channels_last)
        return cls(model, about["scale"], about["luma"], about["precision"])


def _checksum(about: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    """The sha256 of what a file says of its model and of its tensors, which are in CPU memory."""
    told = {name: value for name, value in about.items() if name != "sha256"}
    content = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        content.update(name.encode())
        content.update(tensor.contiguous().numpy().data)
    return content.hexdigest()


def _described(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """What a file says of its model, known to be possible, but for what SRCNN checks itself."""
    told = json.loads((metadata or {}).get("srcnn", "null"))
    if not isinstance(told, dict):
        raise ValueError("its metadata describe no SRCNN")
    about: dict[str, Any] = {"precision": "float32", **told}  # of which older files do not speak
    for name in ("kernels", "channels"):
        value = about.get(name)
        if not isinstance(value, list) or not all(type(size) is int for size in value):
            raise ValueError(f"{name} is {value!r:.60}; it must be a list of whole numbers")
    for name, allowed in _ALLOWED.items():
        # As JSON, where 1 is not true and 2.0 is not 2.
        if json.dumps(about.get(name)) not in map(json.dumps, allowed):
            these = " | ".join(map(json.dumps, allowed))
            raise ValueError(f"{name} is {about.get(name)!r:.60}; allowed: {these}")
    return about


def _check_tensors(file: safe_open, model: SRCNN) -> None:
    """Raise a ValueError unless the file lists the network's tensors, in float32."""
    wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    if set(file.keys()) != wanted.keys():
        there = ", ".join(sorted(file.keys())) or "none"
        raise ValueError(f"its tensors are {there:.200}; they must be {', '.join(wanted)}")
    for name, shape in wanted.items():
        listed = file.get_slice(name)
        if listed.get_shape() != shape or listed.get_dtype() != "F32":
            raise ValueError(
                f"{name} is {listed.get_dtype()} {listed.get_shape()}; it must be F32 {shape}"
            )


def valid_by_tiles(model: SRCNN, upsampled: torch.Tensor, bfloat16: bool = False) -> torch.Tensor:
    """`SRCNN.valid` for pictures of any size, in the memory that a tile needs.

    On a CPU the tiles' feature maps stay in its cache, which for large pictures doubles the speed.

    Args:
        model: the network.
        upsampled: (B, 1, H, W) luma in [0, 1], H and W greater than 2 · margin.
        bfloat16: as for `SRCNN.valid`.

    Returns:
        (B, 1, H - 2 · margin, W - 2 · margin) luma, not clamped.
    """
    batch, _, height, width = upsampled.shape
    tile, pictures = (CPU_TILE, 1) if upsampled.device.type == "cpu" else (TILE, batch)
    context = 2 * model.margin
    sr = upsampled.new_empty(batch, 1, height - context, width - context)
    tops = range(0, height - context, tile)
    lefts = range(0, width - context, tile)
    with torch.inference_mode():
        for i, top, left in product(range(0, batch, pictures), tops, lefts):
            some = slice(i, i + pictures)
            window = upsampled[some, :, top : top + tile + context, left : left + tile + context]
            sr[some, :, top : top + tile, left : left + tile] = model.valid(
                window.contiguous(memory_format=torch.channels_last), bfloat16
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
    return to_uint8(bicubic_upscale(lr.astype(np.float64), scale))


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Clamp gray levels to 0..255 and round them to uint8; a network that diverged gives black."""
    levels = np.clip(np.nan_to_num(picture), 0, 255)
    return np.rint(levels, out=levels).astype(np.uint8)
