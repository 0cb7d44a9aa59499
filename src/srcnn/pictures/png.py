"""PNG (ISO/IEC 15948) of 8 or 16 bits written from top to bottom.

Pillow writes no 16-bit colour and holds the whole picture.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_INCH = 0.0254  # metres
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


def resolution_chunk(dpi: tuple[float, float]) -> dict[bytes, bytes]:
    """The chunk pHYs of dots per inch, across and down."""
    return {b"pHYs": struct.pack(">IIB", *(round(side / _INCH) for side in dpi), 1)}


def write_png(
    file: BinaryIO,
    shape: tuple[int, int, int],
    deep: bool,
    described: Mapping[bytes, bytes],
    rows: Iterable[np.ndarray],
) -> None:
    """Write a PNG.

    Args:
        file: an empty one.
        shape: height, width and channels.
        deep: 16 bits a sample, else 8.
        described: the chunks before the picture, by their names, in this order.
        rows: all of them from the top, some at a time, (n, W, C).
    """
    height, width, channels = shape
    header = struct.pack(
        ">IIBBBBB", width, height, 16 if deep else 8, _COLOUR_TYPES[channels], 0, 0, 0
    )
    file.write(b"\x89PNG\r\n\x1a\n")
    for name, content in {b"IHDR": header, **described}.items():
        _write_chunk(file, name, content)
    deflate = zlib.compressobj(6)
    pixel = channels * (2 if deep else 1)
    above = np.zeros((1, width * pixel), np.uint8)
    count = max(1, _PART // above.size)
    for band in rows:
        for top in range(0, len(band), count):
            part = np.ascontiguousarray(band[top : top + count])
            samples = part.astype(">u2").view(np.uint8) if deep else part
            lines = samples.reshape(len(part), -1)
            packed = deflate.compress(_filtered(lines, np.concatenate([above, lines[:-1]]), pixel))
            above = lines[-1:]
            if packed:
                _write_chunk(file, b"IDAT", packed)
    _write_chunk(file, b"IDAT", deflate.flush())
    _write_chunk(file, b"IEND", b"")


def _filtered(lines: np.ndarray, above: np.ndarray, pixel: int) -> bytes:
    """Each byte as its difference from the nearest to left + above - corner (section 12.8)."""
    left = np.pad(lines, ((0, 0), (pixel, 0)))[:, :-pixel]
    corner = np.pad(above, ((0, 0), (pixel, 0)))[:, :-pixel]
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_above <= to_corner, above, corner)
    nearest = np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
    return np.pad(lines - nearest, ((0, 0), (1, 0)), constant_values=_PAETH).tobytes()


def _write_chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    check = zlib.crc32(content, zlib.crc32(kind))
    file.write(struct.pack(">I", len(content)) + kind)
    file.write(content)
    file.write(struct.pack(">I", check))
