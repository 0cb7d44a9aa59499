"""From an LR picture to an SR picture with a trained network."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from srcnn.data.color import LUMA_RANGES
from srcnn.data.imresize import bicubic_upscale
from srcnn.masking import brief
from srcnn.networks import NETWORKS, build
from srcnn.networks.network import Network

SCALES = (2, 3, 4, 8)  # for which networks are trained

_ALLOWED = {
    "network": tuple(NETWORKS),
    "scale": SCALES,
    "luma": LUMA_RANGES,
    "precision": ("float32", "bfloat16"),
}
_LARGEST = 8192  # of a network's settings

# What JSON and PyTorch raise for texts, nesting, and sizes that cannot be.
_IMPOSSIBLE = (ValueError, RecursionError, TypeError, RuntimeError, OverflowError)

CPU_TILE = 128  # HR pixels a side that are computed at once: the feature maps fit in the cache
TILE = 1024  # on other devices


class UnusableModel(ValueError):
    """The file is not a trained network of this library."""


@dataclass(frozen=True)
class SuperResolver:
    """A trained network with what one must know to use it.

    Attributes:
        model: the network, on the device it shall run on.
        luma: the range of the luma it was trained on, "full" or "studio".
        precision: what it was trained in, "float32" or "bfloat16"; it is used in float32.
    """

    model: Network
    luma: str
    precision: str = "float32"

    @property
    def scale(self) -> int:
        """The enlargement."""
        return self.model.scale

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """Super-resolve one luma picture.

        Args:
            lr: (h, w), uint8, or floating point in 0..255 that was never rounded.

        Returns:
            uint8 (h · scale, w · scale), clamped and rounded.
        """
        picture = torch.from_numpy(lr.astype(np.float32) / 255)[None, None].to(self.device)
        return to_uint8(by_tiles(self.model, picture)[0, 0].cpu().numpy() * 255)

    def to_bytes(self) -> bytes:
        """The model as a safetensors file: the same model gives the same bytes."""
        about = {
            "network": self.model.name,
            "settings": self.model.settings,
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
        """Read a model that `to_bytes` wrote, of this version or of 0.2.

        Nothing of the file is believed: what it says of the network is checked against the list of
        its tensors before any memory is taken.

        Raises:
            FileNotFoundError: there is no such file.
            UnusableModel: the file is no safetensors file, not one of this library, or damaged.
        """
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such model file")
        try:
            if not path.is_file():
                raise ValueError("it is not a file")
            with safe_open(path, framework="pt") as file:
                told = _told(file.metadata())
                about = _described(told)
                with torch.device("meta"):  # shapes without memory
                    model = build(about["network"], about["scale"], about["settings"])
                _check_tensors(file, model)
                tensors = {name: file.get_tensor(name) for name in model.state_dict()}
            checksum = _checksum(told, tensors)
            if told.get("sha256", checksum) != checksum:  # older files do not speak of it
                raise ValueError("it is damaged: it does not have the checksum that stands in it")
            damaged = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
            if damaged:
                raise ValueError(f"{damaged[0]} is not all finite")
        except (SafetensorError, OSError, *_IMPOSSIBLE) as error:
            raise UnusableModel(
                f"{path} is not a trained network of this project: {brief(error)}"
            ) from None
        model.load_state_dict(tensors, assign=True)
        model.eval().to(device)
        model.to(memory_format=torch.channels_last)
        return cls(model, about["luma"], about["precision"])


def _checksum(about: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    """The sha256 of what a file says of its model and of its tensors, which are in CPU memory."""
    told = {name: value for name, value in about.items() if name != "sha256"}
    content = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        content.update(name.encode())
        content.update(tensor.contiguous().numpy().data)
    return content.hexdigest()


def _told(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """What a file says of its model."""
    told = json.loads((metadata or {}).get("srcnn", "null"))
    if not isinstance(told, dict):
        raise ValueError("its metadata describe no network")
    return told


def _described(told: Mapping[str, Any]) -> dict[str, Any]:
    """The same, known to be possible, but for what the network checks itself."""
    about: dict[str, Any] = {"precision": "float32", **told}  # of which older files do not speak
    if "network" not in about:  # version 0.2: SRCNN, its settings beside the rest
        settings = {name: about.get(name) for name in ("kernels", "channels", "residual")}
        about |= {"network": "srcnn", "settings": settings}
    for name, allowed in _ALLOWED.items():
        # As JSON, where 1 is not true and 2.0 is not 2.
        if json.dumps(about.get(name)) not in map(json.dumps, allowed):
            these = " | ".join(map(json.dumps, allowed))
            raise ValueError(f"{name} is {about.get(name)!r:.60}; allowed: {these}")
    _check_settings(about["network"], about.get("settings"))
    return about


def _check_settings(network: str, settings: Any) -> None:
    """Raise a ValueError unless they are of the kinds, as JSON has them, of the network's own."""
    with torch.device("meta"):
        own = build(network, SCALES[0], {}).settings
    if not isinstance(settings, dict) or settings.keys() != own.keys():
        raise ValueError(f"settings is {settings!r:.60}; it must hold {', '.join(own)}")
    for name, value in settings.items():
        listed = isinstance(value, list)
        sizes = value if listed else [value]
        wanted = own[name][0] if isinstance(own[name], tuple) else own[name]
        same = listed == isinstance(own[name], tuple)
        if not same or not all(type(size) is type(wanted) for size in sizes):
            kind = "true or false" if isinstance(wanted, bool) else "whole numbers"
            raise ValueError(f"{name} is {value!r:.60}; it must be {kind}")
        if any(size > _LARGEST for size in sizes):
            raise ValueError(f"{name} is {value!r:.60}; at most {_LARGEST} is allowed")


def _check_tensors(file: safe_open, model: Network) -> None:
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


def by_tiles(
    model: Network,
    lr: torch.Tensor,
    rows: slice | None = None,
    columns: slice | None = None,
    bfloat16: bool = False,
) -> torch.Tensor:
    """`Network.region` for pictures of any size, in the memory that a tile needs.

    On a CPU the tiles' feature maps stay in its cache, which for large pictures doubles the speed.

    Args:
        model: the network.
        lr: (B, 1, h, w) luma in [0, 1].
        rows: start and stop, of the LR pixels to enlarge; None: all.
        columns: the same.
        bfloat16: as for `Network.patch`.

    Returns:
        (B, 1, rows · scale, columns · scale) luma, not clamped.
    """
    batch, _, height, width = lr.shape
    rows, columns = rows or slice(0, height), columns or slice(0, width)
    scale = model.scale
    on_cpu = lr.device.type == "cpu"
    pictures = 1 if on_cpu else batch
    # A tile's context costs at most half of what the tile does, or a little more.
    side = max(1, (CPU_TILE if on_cpu else TILE) // scale, 8 * model.overlap)
    shape = ((part.stop - part.start) * scale for part in (rows, columns))
    sr = lr.new_empty(batch, 1, *shape)
    with torch.inference_mode():
        for i in range(0, batch, pictures):
            for high, wide in product(_parts(rows, side), _parts(columns, side)):
                tile = model.region(lr[i : i + pictures], high, wide, bfloat16)
                top, left = (high.start - rows.start) * scale, (wide.start - columns.start) * scale
                sr[i : i + pictures, :, top : top + tile.shape[2], left : left + tile.shape[3]] = (
                    tile
                )
    return sr


def _parts(whole: slice, side: int) -> Iterator[slice]:
    for start in range(whole.start, whole.stop, side):
        yield slice(start, min(start + side, whole.stop))


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
    """Clamp gray levels to 0..255 and round them; what is NaN, of a diverged network, is black.

    Args:
        picture: floating point of any shape.

    Returns:
        uint8 of the same shape; halves are rounded to even.
    """
    levels = np.clip(np.nan_to_num(picture), 0, 255)
    return np.rint(levels, out=levels).astype(np.uint8)
