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
_PAETH = 4
_PART = 2**21  # bytes filtered at once, which takes some ten times as much memory


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
    pixel = channels * dtype.itemsize
    file.write(b"\x89PNG\r\n\x1a\n")
    for kind, content, _ in getchunks(Image.new(MODES[channels], (1, 1)), **described):
        if kind == b"IHDR":
            content = struct.pack(">IIB", width, height, 8 * dtype.itemsize) + content[9:]
        if kind == b"IDAT":
            for packed in filter(None, _deflated(rows, width * pixel, pixel)):
                putchunk(file, kind, packed)
        else:
            putchunk(file, kind, content)


def _deflated(rows: Iterable[np.ndarray], line: int, pixel: int) -> Iterator[bytes]:
    """The compressed picture, some at a time; a line and a pixel have so many bytes."""
    deflate = zlib.compressobj(6)
    above = np.zeros((1, line), np.uint8)
    count = max(1, _PART // line)
    for band in rows:
        for top in range(0, len(band), count):
            part = band[top : top + count]
            samples = part.astype(part.dtype.newbyteorder(">"), order="C")
            lines = samples.view(np.uint8).reshape(len(part), line)
            yield deflate.compress(_filtered(lines, np.concatenate([above, lines[:-1]]), pixel))
            above = lines[-1:]
    yield deflate.flush()


def _filtered(lines: np.ndarray, above: np.ndarray, pixel: int) -> bytes:
    """Each byte as its difference from the nearest to left + above - corner (section 12.8)."""
    left = np.pad(lines, ((0, 0), (pixel, 0)))[:, :-pixel]
    corner = np.pad(above, ((0, 0), (pixel, 0)))[:, :-pixel]
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_above <= to_corner, above, corner)
    nearest = np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
    return np.pad(lines - nearest, ((0, 0), (1, 0)), constant_values=_PAETH).tobytes()
