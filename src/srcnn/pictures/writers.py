"""Pictures written from top to bottom, some rows at a time, so that none must fit in memory.

Pillow holds whole pictures and writes no 16-bit colour; PNG and TIFF are simple enough to write.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np
from PIL import Image

from srcnn.pictures.exif import exif_bytes
from srcnn.pictures.reader import SUFFIXES, Picture
from srcnn.pictures.tiff import TiffWriter

if TYPE_CHECKING:  # writing alone needs no PyTorch
    from srcnn.upscaling import Upscaler

JPEG_QUALITY = 95
WEBP_QUALITY = 95

# JPEG and WebP are encoded from a whole picture in memory; 4 bytes a pixel and the encoder's own.
MAX_BUFFERED_PIXELS = 128_000_000
_CLASSIC_TIFF = 3_900_000_000  # bytes before packing: its offsets end at 4 GB
_LONGEST_SIDE = {"JPEG": 65535, "WEBP": 16383}
_PILLOW_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


class RowWriter(Protocol):
    """What writes a picture."""

    def write(self, rows: np.ndarray) -> None:
        """Take the next rows, (n, W, C)."""

    def finish(self) -> None:
        """Write what comes after the last row."""


def check_output(path: Path, height: int, width: int, channels: int) -> None:
    """Refuse, before any work, a picture that a format cannot hold.

    Raises:
        ValueError: an unknown suffix, alpha in JPEG, or a picture too large for JPEG or WebP.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path.name}: the suffix is none of {', '.join(SUFFIXES)}")
    if kind == "JPEG" and channels in (2, 4):
        raise ValueError(f"{path.name}: JPEG holds no transparency; choose .png, .webp or .tif")
    longest = _LONGEST_SIDE.get(kind)
    if longest and (max(height, width) > longest or height * width > MAX_BUFFERED_PIXELS):
        raise ValueError(
            f"{path.name} would have {width}x{height} pixels; {kind} is written up to {longest} "
            f"a side and {MAX_BUFFERED_PIXELS:,} in all: choose .png or .tif"
        )


@contextmanager
def opened_writer(
    path: Path, height: int, width: int, samples: np.ndarray, meta: Picture
) -> Iterator[RowWriter]:
    """A writer for a picture; the file appears, whole, when the block ends without an error.

    Args:
        path: its suffix names the format.
        height: of the picture to write.
        width: of the picture to write.
        samples: an array (H, W, C) of any size with its channels and dtype, uint8 or uint16.
            JPEG and WebP hold 8 bits a sample, so 16 are rounded to 8 there.
        meta: the picture whose profile and EXIF go with it.
    """
    partial = path.with_name(f".{path.name}.partial")
    exif = exif_bytes(meta.exif, width, height)
    shape = (height, width, samples.shape[2])
    deep = samples.dtype == np.uint16
    try:
        with partial.open("wb") as file:
            kind = SUFFIXES[path.suffix.lower()]
            writer: RowWriter
            if kind == "PNG":
                writer = _PngWriter(file, shape, deep, meta.icc, exif)
            elif kind == "TIFF":
                size = height * width * samples.shape[2] * samples.itemsize
                writer = TiffWriter(file, shape, deep, meta.icc, exif, size > _CLASSIC_TIFF)
            else:
                writer = _PillowWriter(file, kind, shape, meta.icc, exif)
            yield writer
            writer.finish()
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def encode_png(picture: Picture, upscaler: "Upscaler", deadline: float = math.inf) -> bytes:
    """A picture enlarged, as the content of a PNG file.

    Raises:
        OutOfTime: see `Upscaler.bands`.
    """
    samples = picture.samples
    height, width = (side * upscaler.scale for side in samples.shape[:2])
    shape = (height, width, samples.shape[2])
    deep = samples.dtype == np.uint16
    file = io.BytesIO()
    writer = _PngWriter(file, shape, deep, picture.icc, exif_bytes(picture.exif, width, height))
    for band in upscaler.bands(samples, deadline):
        writer.write(band.sr)
    writer.finish()
    return file.getvalue()


class _PillowWriter:
    """JPEG and WebP."""

    def __init__(
        self,
        file: BinaryIO,
        kind: str,
        shape: tuple[int, int, int],
        icc: bytes | None,
        exif: bytes | None,
    ) -> None:
        height, width, channels = shape
        mode = _PILLOW_MODES[channels]
        if kind == "WEBP" and channels < 3:  # it knows no gray, whose profile is none of RGB
            mode = "RGBA" if channels == 2 else "RGB"
            icc = None
        self._file = file
        self._kind = kind
        self._top = 0
        self._canvas = Image.new(mode, (width, height))
        self._options: dict[str, object] = {"icc_profile": icc, "exif": exif or b""}

    def write(self, rows: np.ndarray) -> None:
        if rows.dtype == np.uint16:
            rows = ((rows.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        rows = rows[..., 0] if rows.shape[2] == 1 else rows
        image = Image.fromarray(np.ascontiguousarray(rows)).convert(self._canvas.mode)
        self._canvas.paste(image, (0, self._top))
        self._top += len(rows)

    def finish(self) -> None:
        if self._kind == "JPEG":
            self._options |= {"quality": JPEG_QUALITY, "subsampling": 0}
        else:
            self._options |= {"quality": WEBP_QUALITY}
        self._canvas.save(self._file, self._kind, **self._options)


class _PngWriter:
    """PNG (ISO/IEC 15948), 8 or 16 bits."""

    _PART = 2**21  # bytes filtered at once, which takes some thirty times as much memory

    def __init__(
        self,
        file: BinaryIO,
        shape: tuple[int, int, int],
        deep: bool,
        icc: bytes | None,
        exif: bytes | None,
    ) -> None:
        height, width, channels = shape
        self._file = file
        self._bytes_per_pixel = channels * (2 if deep else 1)
        self._above = np.zeros(width * self._bytes_per_pixel, np.uint8)
        self._deflate = zlib.compressobj(6)
        file.write(b"\x89PNG\r\n\x1a\n")
        kind = _PNG_COLOUR_TYPES[channels]
        self._chunk(
            b"IHDR", struct.pack(">IIBBBBB", width, height, 16 if deep else 8, kind, 0, 0, 0)
        )
        if icc:
            self._chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
        if exif:
            self._chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))

    def write(self, rows: np.ndarray) -> None:
        count = max(1, self._PART // len(self._above))
        for top in range(0, len(rows), count):
            part = np.ascontiguousarray(rows[top : top + count])
            lines = part.astype(">u2").view(np.uint8) if part.dtype == np.uint16 else part
            packed = self._deflate.compress(self._filtered(lines.reshape(len(part), -1)))
            if packed:
                self._chunk(b"IDAT", packed)

    def finish(self) -> None:
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
