"""Enlarged pictures written from top to bottom, some rows at a time, with all that goes along."""

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from srcnn.pictures.exif import resized
from srcnn.pictures.files import FORMATS, written_whole
from srcnn.pictures.images import MAX_PIXELS
from srcnn.pictures.png import MODES, write_png
from srcnn.pictures.reader import Picture

if TYPE_CHECKING:  # writing alone needs no PyTorch
    from srcnn.inference.upscaler import Upscaler

_QUALITY = 95  # of JPEG and WebP

# Of formats that are encoded from a whole picture in memory, of MAX_PIXELS at most.
_LONGEST_SIDE = {"JPEG": 65535, "WEBP": 16383}


def fitted(picture: Picture, path: Path) -> Picture:
    """The picture without an alpha that says nothing, if the format of `path` knows none."""
    samples = picture.samples
    if FORMATS.get(path.suffix.lower()) != "JPEG" or samples.shape[2] not in (2, 4):
        return picture
    if (samples[..., -1] != np.iinfo(samples.dtype).max).any():
        return picture
    return replace(picture, samples=samples[..., :-1])


def check_output(path: Path, height: int, width: int, channels: int) -> None:
    """Refuse, before any work, a picture that a format cannot hold.

    Raises:
        ValueError: an unknown suffix; alpha in JPEG; or too large for JPEG or WebP.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path.name}: the suffix is none of {', '.join(FORMATS)}")
    if kind == "JPEG" and channels in (2, 4):
        raise ValueError(f"{path.name}: JPEG holds no transparency; choose .png, .webp or .tif")
    longest = _LONGEST_SIDE.get(kind)
    if longest and (max(height, width) > longest or height * width > MAX_PIXELS):
        raise ValueError(
            f"{path.name} would have {width}x{height} pixels; {kind} is written up to {longest} "
            f"a side and {MAX_PIXELS:,} in all: choose .png or .tif"
        )


def write(
    path: Path, picture: Picture, height: int, width: int, rows: Iterable[np.ndarray]
) -> None:
    """Write an enlarged picture; the file appears, whole, after the last row.

    Args:
        path: its suffix names the format. JPEG and WebP hold 8 bits a sample.
        picture: what was enlarged; profile, EXIF and resolution go along.
        height: of the picture to write.
        width: of the picture to write.
        rows: all of them from the top, some at a time: (n, width, C) in the picture's dtype.

    Raises:
        ValueError: see `check_output`; or more EXIF than JPEG holds, 64 KB.
        OSError: the file cannot be written; its folder is made.
    """
    check_output(path, height, width, picture.samples.shape[2])
    with written_whole(path) as file:
        _encode(file, FORMATS[path.suffix.lower()], picture, height, width, rows)


def encode_png(picture: Picture, upscaler: "Upscaler", deadline: float = math.inf) -> bytes:
    """A picture enlarged, as the content of a PNG file.

    Raises:
        OutOfTime: see `Upscaler.bands`.
    """
    height, width = (side * upscaler.scale for side in picture.samples.shape[:2])
    file = io.BytesIO()
    bands = upscaler.bands(picture.samples, deadline)
    _encode(file, "PNG", picture, height, width, (band.sr for band in bands))
    return file.getvalue()


def _encode(
    file: BinaryIO,
    kind: str,
    picture: Picture,
    height: int,
    width: int,
    rows: Iterable[np.ndarray],
) -> None:
    exif = resized(picture.exif, width, height, picture.dpi)
    shape = (height, width, picture.samples.shape[2])
    dtype = picture.samples.dtype
    if kind == "TIFF":
        from srcnn.pictures.tiff import write_tiff  # served models do without tifffile

        write_tiff(file, shape, dtype, picture.icc, exif, rows)
        return
    described: dict[str, Any] = {
        "icc_profile": picture.icc,
        "exif": exif.tobytes() if exif else b"",
    }
    if picture.dpi:
        described["dpi"] = picture.dpi
    if kind == "PNG":
        described["pnginfo"] = PngInfo()
        for name, content in picture.colour.items():
            described["pnginfo"].add(name, content)
        write_png(file, shape, dtype, described, rows)
    else:
        _write_lossy(file, kind, shape, described, rows)


def _write_lossy(
    file: BinaryIO,
    kind: str,
    shape: tuple[int, int, int],
    described: Mapping[str, Any],
    rows: Iterable[np.ndarray],
) -> None:
    """Write JPEG or WebP, by Pillow."""
    height, width, channels = shape
    mode = MODES[channels]
    options = {**described, "quality": _QUALITY}
    if kind == "JPEG":
        options["subsampling"] = 0
    elif channels < 3:  # WebP knows no gray, whose profile is none of RGB
        mode = "RGBA" if channels == 2 else "RGB"
        options["icc_profile"] = None
    canvas = Image.new(mode, (width, height))
    top = 0
    for band in rows:
        if band.dtype == np.uint16:
            band = ((band.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        band = band[..., 0] if channels == 1 else band
        canvas.paste(Image.fromarray(np.ascontiguousarray(band)).convert(mode), (0, top))
        top += len(band)
    canvas.save(file, kind, **options)
