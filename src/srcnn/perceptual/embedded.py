"""The VGG19 inside this package: the Oxford network (Simonyan, Zisserman 2014) in 15 MB.

`vgg19.safetensors`, made by `python -m tools.embed_vgg19`, holds for each convolution some of these
tensors, under its index in torchvision's `vgg19().features` (`19.codes`, `19.bias`, ...):

    bias      float32 (out,)
    half      float16 (out, in, 3, 3): the kernel of a convolution in blocks 1 to 3
    integers  int16 (out, in, 1), the bottom right tap, or (out, in, 9): all taps
    scales    float32 (out,): what the integers of an output channel are multiplied by
    codes     uint8 (out, in, 8): where the value of each other tap stands in `levels`
    levels    float32, at most 256 values
    sha256    uint8 (32,): of kernel and bias as decoded, in little-endian float32

half, integers and codes are zlib streams: all low bytes, then all high bytes, which differ little.
Decoding is a look-up or one product in float32, so every machine gets the same bits; sha256 proves
it.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from srcnn.perceptual.pretrained import UnusableWeights

FILE = Path(__file__).with_name("vgg19.safetensors")


def read(layers: Iterable[int]) -> dict[int, tuple[Tensor, Tensor]]:
    """Kernels and biases of some convolutions, float32, on the CPU; no others are decoded.

    Args:
        layers: indices in torchvision's `vgg19().features`.

    Returns:
        index -> kernel (out, in, 3, 3) and bias (out,).

    Raises:
        UnusableWeights: the file is missing or damaged, or lacks one of the layers.
    """
    weights = {}
    try:
        with safe_open(FILE, "numpy") as stored:
            names = set(stored.keys())
            for layer in layers:
                mine = (name for name in names if name.startswith(f"{layer}."))
                parts = {name.split(".")[1]: stored.get_tensor(name) for name in mine}
                if not parts:
                    raise ValueError(f"it has no layer {layer}")
                kernel, bias = decode(parts)
                if parts["sha256"].tobytes() != digest(kernel, bias):
                    raise ValueError(f"layer {layer} does not match its checksum")
                weights[layer] = torch.from_numpy(kernel), torch.from_numpy(bias)
    except (SafetensorError, OSError, zlib.error, KeyError, IndexError, ValueError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise UnusableWeights(
            f"{FILE}, a part of this package, is missing or damaged ({what}): install it again, or "
            "restore it from git"
        ) from None
    return weights


def decode(parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (out, in, 3, 3) and bias (out,), float32, of one convolution.

    Args:
        parts: its stored tensors by the names above, without its index.

    Raises:
        KeyError, IndexError, ValueError, zlib.error: they are not of the format above.
    """
    bias = parts["bias"]
    if "half" in parts:
        taps = unpack(parts["half"], "<f2").astype(np.float32)
    else:
        integers = unpack(parts["integers"], "<i2").reshape(len(bias), -1)
        taps = integers.astype(np.float32) * parts["scales"][:, None]
    if "codes" in parts:
        others = np.take(parts["levels"], unpack(parts["codes"], "u1")).reshape(*taps.shape, 8)
        taps = np.concatenate([others, taps[..., None]], axis=2)
    return taps.reshape(len(bias), -1, 3, 3), bias


def digest(kernel: np.ndarray, bias: np.ndarray) -> bytes:
    """SHA-256, 32 bytes, of a convolution's weights, whatever the machine's order of bytes.

    Args:
        kernel: float32 (out, in, 3, 3).
        bias: float32 (out,).
    """
    return hashlib.sha256(kernel.astype("<f4").tobytes() + bias.astype("<f4").tobytes()).digest()


def unpack(stream: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers, (count,), in a stream, uint8 (n,), as the tool packs them.

    Raises:
        ValueError, zlib.error: it is no such stream.
    """
    content = np.frombuffer(zlib.decompress(stream.tobytes()), np.uint8)
    planes = content.reshape(np.dtype(dtype).itemsize, -1)
    return planes.T.copy().view(dtype).ravel()
