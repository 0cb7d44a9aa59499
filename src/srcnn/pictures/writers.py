"""Pictures written from top to bottom, some rows at a time, so that none must fit in memory.

Pillow holds whole pictures and writes no 16-bit colour; PNG and TIFF are simple enough to write.
"""

import io
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np
from PIL import Image

from srcnn.pictures.exif import exif_bytes
from srcnn.pictures.png import PngWriter, is_srgb, resolution_chunk
from srcnn.pictures.reader import Picture
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
_MOST_EXIF = 65533  # bytes in a JPEG

# The format that an output's suffix names.
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


class RowWriter(Protocol):
    """What writes a picture."""

    def write(self, rows: np.ndarray) -> None:
        """Take the next rows, (n, W, C)."""

    def finish(self) -> None:
        """Write what comes after the last row."""


def fitted(picture: Picture, path: Path) -> Picture:
    """The picture without an alpha that says nothing, if the format of `path` knows none."""
    channels = picture.samples.shape[2]
    alpha = picture.samples[..., -1]
    if FORMATS.get(path.suffix.lower()) != "JPEG" or channels not in (2, 4):
        return picture
    if (alpha != np.iinfo(alpha.dtype).max).any():
        return picture
    return replace(picture, samples=picture.samples[..., :-1])


def check_output(path: Path, height: int, width: int, picture: Picture) -> None:
    """Refuse, before any work, an enlarged picture that a format cannot hold.

    Args:
        path: the file to write.
        height: of the picture to write.
        width: of the picture to write.
        picture: what is enlarged.

    Raises:
        ValueError: an unknown suffix; alpha, or too much EXIF, in JPEG; a picture too large for
            JPEG or WebP; or colours that are told by a PNG's own means elsewhere.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path.name}: the suffix is none of {', '.join(FORMATS)}")
    if kind == "JPEG" and picture.samples.shape[2] in (2, 4):
        raise ValueError(f"{path.name}: JPEG holds no transparency; choose .png, .webp or .tif")
    longest = _LONGEST_SIDE.get(kind)
    if longest and (max(height, width) > longest or height * width > MAX_BUFFERED_PIXELS):
        raise ValueError(
            f"{path.name} would have {width}x{height} pixels; {kind} is written up to {longest} "
            f"a side and {MAX_BUFFERED_PIXELS:,} in all: choose .png or .tif"
        )
    if kind != "PNG" and not picture.icc and not is_srgb(picture.colour):
        raise ValueError(
            f"{path.name}: the picture's {' and '.join(sorted(map(bytes.decode, picture.colour)))} "
            f"says that its colours are not sRGB's, which {kind} cannot; choose .png"
        )
    exif = len(exif_bytes(picture.exif, width, height, picture.dpi))
    if kind == "JPEG" and exif > _MOST_EXIF:
        raise ValueError(
            f"{path.name}: the picture's EXIF has {exif:,} bytes, of which JPEG holds "
            f"{_MOST_EXIF:,}; choose .png, .webp or .tif"
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
        meta: the picture whose profile, EXIF and resolution go with it.
    """
    partial = path.with_name(f".{path.name}.partial")
    exif = exif_bytes(meta.exif, width, height, meta.dpi)
    shape = (height, width, samples.shape[2])
    deep = samples.dtype == np.uint16
    try:
        with partial.open("wb") as file:
            kind = FORMATS[path.suffix.lower()]
            writer: RowWriter
            if kind == "PNG":
                writer = PngWriter(file, shape, deep, _chunks(meta, exif))
            elif kind == "TIFF":
                size = height * width * samples.shape[2] * samples.itemsize
                writer = TiffWriter(file, shape, deep, meta.icc, exif, size > _CLASSIC_TIFF)
            else:
                writer = _PillowWriter(file, kind, shape, meta, exif)
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
    exif = exif_bytes(picture.exif, width, height, picture.dpi)
    writer = PngWriter(file, shape, deep, _chunks(picture, exif))
    for band in upscaler.bands(samples, deadline):
        writer.write(band.sr)
    writer.finish()
    return file.getvalue()


def _chunks(meta: Picture, exif: bytes) -> dict[bytes, bytes]:
    """What a PNG says of its picture."""
    icc = {b"iCCP": b"ICC profile\0\0" + zlib.compress(meta.icc)} if meta.icc else {}
    resolution = resolution_chunk(meta.dpi) if meta.dpi else {}
    return meta.colour | icc | resolution | {b"eXIf": exif.removeprefix(b"Exif\0\0")}


class _PillowWriter:
    """JPEG and WebP."""

    def __init__(
        self,
        file: BinaryIO,
        kind: str,
        shape: tuple[int, int, int],
        meta: Picture,
        exif: bytes,
    ) -> None:
        height, width, channels = shape
        icc = meta.icc
        mode = _PILLOW_MODES[channels]
        if kind == "WEBP" and channels < 3:  # it knows no gray, whose profile is none of RGB
            mode = "RGBA" if channels == 2 else "RGB"
            icc = None
        self._file = file
        self._kind = kind
        self._top = 0
        self._canvas = Image.new(mode, (width, height))
        self._options: dict[str, object] = {"icc_profile": icc, "exif": exif}
        if meta.dpi:
            self._options["dpi"] = meta.dpi

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
