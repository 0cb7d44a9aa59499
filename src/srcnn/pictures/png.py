"""PNG (ISO/IEC 15948) of 8 or 16 bits written from top to bottom, and what it says of colours."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_INCH = 0.0254  # metres
_SRGB = {
    b"gAMA": (45455,),
    b"cHRM": (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}


def colour_chunks(info: Mapping[Any, Any]) -> dict[bytes, bytes]:
    """What a PNG says of its samples' colours beside a profile, from Pillow's notes of it."""
    chunks = {}
    if "srgb" in info:
        chunks[b"sRGB"] = bytes([info["srgb"]])
    for name, kind in (("gamma", b"gAMA"), ("chromaticity", b"cHRM")):
        values = [round(value * 100_000) for value in np.atleast_1d(info.get(name, ()))]
        if len(values) == len(_SRGB[kind]):
            chunks[kind] = struct.pack(f">{len(values)}I", *values)
    return chunks


def is_srgb(chunks: Mapping[bytes, bytes]) -> bool:
    """Whether they say what a picture without them means, to the 5 % that libpng allows."""
    return b"sRGB" in chunks or all(
        np.allclose(np.frombuffer(content, ">u4"), _SRGB[kind], rtol=0.05)
        for kind, content in chunks.items()
    )


def resolution_chunk(dpi: tuple[float, float]) -> dict[bytes, bytes]:
    """The chunk pHYs of dots per inch, across and down."""
    return {b"pHYs": struct.pack(">IIB", *(round(side / _INCH) for side in dpi), 1)}


class PngWriter:
    """A PNG; its chunks beside the picture come before that, in this order."""

    _PART = 2**21  # bytes filtered at once, which takes some thirty times as much memory

    def __init__(
        self,
        file: BinaryIO,
        shape: tuple[int, int, int],
        deep: bool,
        described: Mapping[bytes, bytes],
    ) -> None:
        height, width, channels = shape
        self._file = file
        self._bytes_per_pixel = channels * (2 if deep else 1)
        self._above = np.zeros(width * self._bytes_per_pixel, np.uint8)
        self._deflate = zlib.compressobj(6)
        file.write(b"\x89PNG\r\n\x1a\n")
        kind = _COLOUR_TYPES[channels]
        self._chunk(
            b"IHDR", struct.pack(">IIBBBBB", width, height, 16 if deep else 8, kind, 0, 0, 0)
        )
        for name, content in described.items():
            self._chunk(name, content)

    def write(self, rows: np.ndarray) -> None:
        """Take the next rows, (n, W, C)."""
        count = max(1, self._PART // len(self._above))
        for top in range(0, len(rows), count):
            part = np.ascontiguousarray(rows[top : top + count])
            lines = part.astype(">u2").view(np.uint8) if part.dtype == np.uint16 else part
            packed = self._deflate.compress(self._filtered(lines.reshape(len(part), -1)))
            if packed:
                self._chunk(b"IDAT", packed)

    def finish(self) -> None:
        """Write what comes after the last row."""
        self._chunk(b"IDAT", self._deflate.flush())
        self._chunk(b"IEND", b"")

    def _filtered(self, lines: np.ndarray) -> bytes:
        """Each line as the difference that is smallest: to left, above or both (section 12.8)."""
        n = self._bytes_per_pixel
        above = np.concatenate([self._above[None], lines[:-1]])
        self._above = lines[-1]
        left = np.pad(lines, ((0, 0), (n, 0)))[:, :-n]
        corner = np.pad(above, ((0, 0), (n, 0)))[:, :-n]
        candidates = np.stack([lines - left, lines - above, lines - _paeth(left, above, corner)])
        sizes = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
        best = sizes.argmin(axis=0)
        chosen = candidates[best, np.arange(len(lines))]
        numbers = np.array([1, 2, 4], np.uint8)[best]  # Sub, Up, Paeth
        return np.concatenate([numbers[:, None], chosen], axis=1).tobytes()

    def _chunk(self, kind: bytes, content: bytes) -> None:
        check = zlib.crc32(content, zlib.crc32(kind))
        self._file.write(struct.pack(">I", len(content)) + kind)
        self._file.write(content)
        self._file.write(struct.pack(">I", check))


def _paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of the three neighbours the one nearest to left + above - corner (PNG, section 9.4)."""
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    to_left = np.abs(b - c)
    to_above = np.abs(a - c)
    to_corner = np.abs(a + b - 2 * c)
    nearest = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
