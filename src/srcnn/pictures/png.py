"""PNG (ISO/IEC 15948) of 8 or 16 bits written from top to bottom.

Pillow writes no 16-bit colour and holds the whole picture: here it writes all but the pixels.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import getchunks, putchunk

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's, by channels
_PART = 2**22  # bytes filtered at once, which takes some five times as much memory


def colour_chunks(info: Mapping[Any, Any]) -> dict[bytes, bytes]:
    """What a PNG says of its samples' colours beside a profile, from Pillow's notes of it."""
    chunks = {}
    if "srgb" in info:
        chunks[b"sRGB"] = bytes([info["srgb"]])
    for name, kind, count in (("gamma", b"gAMA", 1), ("chromaticity", b"cHRM", 8)):
        values = [round(value * 100_000) for value in np.atleast_1d(info.get(name, ()))]
        if len(values) == count:
            chunks[kind] = struct.pack(f">{count}I", *values)
    return chunks


def write_png(
    file: BinaryIO,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    described: Mapping[str, Any],
    rows: Iterable[np.ndarray],
) -> None:
    """Write a PNG.

    Args:
        file: an empty one.
        shape: height, width and channels.
        dtype: uint8 or uint16.
        described: what Pillow is to write of the picture, as options of its `Image.save`.
        rows: all of them from the top, some at a time, (n, W, C).
    """
    height, width, channels = shape
    line = width * channels * dtype.itemsize
    file.write(b"\x89PNG\r\n\x1a\n")
    for kind, content, _ in getchunks(Image.new(MODES[channels], (1, 1)), **described):
        if kind == b"IHDR":
            content = struct.pack(">IIB", width, height, 8 * dtype.itemsize) + content[9:]
        if kind == b"IDAT":
            for packed in filter(None, _deflated(rows, line)):
                putchunk(file, kind, packed)
        else:
            putchunk(file, kind, content)


def _deflated(rows: Iterable[np.ndarray], line: int) -> Iterator[bytes]:
    """The compressed picture, some lines of so many bytes at a time.

    Each is its difference from the one above, filter 2 of section 12: on enlarged pictures within
    a few percent of choosing among all filters.
    """
    deflate = zlib.compressobj(6)
    above = np.zeros((1, line), np.uint8)
    for band in rows:
        for part in np.array_split(band, band.nbytes // _PART + 1):
            samples = part.astype(part.dtype.newbyteorder(">"), order="C")
            lines = np.concatenate([above, samples.view(np.uint8).reshape(-1, line)])
            filtered = np.pad(np.diff(lines, axis=0), ((0, 0), (1, 0)), constant_values=2)
            yield deflate.compress(filtered.tobytes())
            above = lines[-1:]
    yield deflate.flush()
