"""The VGG19 inside the package, src/srcnn/perceptual/vgg19.safetensors, made from full weights.

`python -m tools.embed_vgg19 SOURCE.safetensors` writes it, the same bytes each time, from a float32
VGG19 of the Oxford network with torchvision's names (`features.0.weight`, ...). Its format is
described in srcnn.perceptual.embedded. What is lost depends on the weights themselves:

- Blocks 1 to 3, an eighth of the weights, become float16.
- In blocks 4 and 5 all taps but the bottom right one are kept exactly if they have at most 256
  different values, as in weights that were stored in 8 bits once. The bottom right tap is rounded
  to 10 bits, with a scale for each output channel.
- If they have more, all taps are rounded like the bottom right one: a file of 22 MB, not 15.
"""

import argparse
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from srcnn.perceptual import embedded, vgg19

LARGEST_INTEGER = 511  # 10 bits with the sign; with 8 the features would be four times as far off


def main() -> None:
    """The command; its arguments are told by --help."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.embed_vgg19", description="Make the VGG19 inside the package."
    )
    parser.add_argument("source", type=Path, help="VGG19 weights, .safetensors or .pth")
    parser.add_argument("--output", type=Path, default=embedded.FILE, help="(%(default)s)")
    arguments = parser.parse_args()
    write(vgg19.load(vgg19.CONVOLUTIONS, arguments.source), arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB")


def write(weights: Mapping[str, vgg19.Weights], path: Path) -> None:
    """Write the weights of convolutions, by their names in the literature, to one file."""
    stored: dict[str, np.ndarray] = {}
    for name, (kernel, bias) in weights.items():
        convolution = vgg19.CONVOLUTIONS[name]
        encode = as_halves if convolution.block <= 3 else as_levels_and_integers
        parts = encode(kernel.numpy()) | {"bias": bias.numpy()}
        parts["sha256"] = np.frombuffer(embedded.digest(*embedded.decode(parts)), np.uint8)
        stored |= {f"{convolution.place}.{part}": values for part, values in parts.items()}
    save_file(stored, path)


def as_halves(kernel: np.ndarray) -> dict[str, np.ndarray]:
    """A kernel in float16: each weight off by at most 1/2048 of itself."""
    return {"half": pack(kernel, "<f2")}


def as_levels_and_integers(kernel: np.ndarray) -> dict[str, np.ndarray]:
    """A kernel (out, in, 3, 3) with at most its bottom right tap rounded, or else all of it.

    What is rounded is off by at most 1/1022 of the largest such tap of the same output channel.
    """
    taps = kernel.reshape(*kernel.shape[:2], 9)
    levels, codes = np.unique(taps[..., :8], return_inverse=True)
    if len(levels) > 256:
        return as_integers(taps)
    exact = {"levels": levels, "codes": pack(codes, "u1")}
    return exact | as_integers(taps[..., 8:])


def as_integers(taps: np.ndarray) -> dict[str, np.ndarray]:
    """Taps (out, in, n) as integers, with a scale for each output channel."""
    largest = np.abs(taps).max(axis=(1, 2))
    scales = np.where(largest > 0, largest / LARGEST_INTEGER, 1).astype(np.float32)
    integers = np.rint(taps / scales[:, None, None])
    return {"integers": pack(integers, "<i2"), "scales": scales}


def pack(values: np.ndarray, dtype: str) -> np.ndarray:
    """The zlib stream, uint8 (n,), of some numbers: all their first bytes, then all second ones.

    Args:
        values: of any shape, in the range of dtype.
        dtype: a little-endian type, such as "<i2".
    """
    planes = values.astype(dtype).reshape(-1, 1).view(np.uint8).T
    # Repeated strings, which zlib looks for by default, are chance here: 4 % larger with them.
    compressor = zlib.compressobj(9, memLevel=9, strategy=zlib.Z_HUFFMAN_ONLY)
    stream = compressor.compress(planes.tobytes()) + compressor.flush()
    return np.frombuffer(stream, np.uint8)


if __name__ == "__main__":
    main()
