"""The samples of an opened picture, of 8 or 16 bits.

Of more than 8 bits Pillow alone reads only a part, and nothing else that a package index has in
pure Python reads 16-bit PNG, or TIFF packed by LZW.
"""

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base as ExifTag
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    TiffImageFile,
)

# Pillow keeps only the high byte of 16-bit colour. Reading such samples with their bytes in the
# other order gives the low byte: the two readings together are the whole sample.
_HIGH = 1 if sys.byteorder == "little" else 0
_SWAPPED = {"B": "L", "L": "B", "N": "LB"[_HIGH]}
_COLOURS = ("RGB", "RGBX", "RGBA")

# EXIF's orientations: the order of rows and of columns; from 5 on the two are exchanged before.
_STEPS = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}

# Rows converted at once: what is built in passing stays small beside the picture.
ROWS = 256


class UnreadableImage(ValueError):
    """The bytes are not a picture that can be read right; the message says why."""


def read_samples(image: ImageFile, reopen: Callable[[], ImageFile]) -> NDArray[np.integer]:
    """What a picture shows.

    Args:
        image: opened, not yet loaded.
        reopen: opens the same picture once more.

    Returns:
        uint8 or uint16 (H, W, C), upright, in their full range; C is 1 for gray, 2 for gray and
        alpha, 3 for RGB, 4 for RGBA. Of more than 8 bits, such as 12, come 16.

    Raises:
        UnreadableImage: samples without a known range (floating point, 32-bit or signed integers),
            in planes that Pillow misreads, or in a layout that is not supported.
    """
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed integer"
        raise UnreadableImage(f"{kind} samples have no known range; save it with 8 or 16 bits")
    in_planes = isinstance(image, TiffImageFile) and image.tag_v2.get(PLANAR_CONFIGURATION) == 2
    if in_planes and _bits(image) > 8:  # of which Pillow reads 8, or other samples altogether
        raise UnreadableImage("16-bit TIFF in separate planes; save it with interleaved samples")
    if image.mode.startswith("I;16"):
        return _deep_gray(image)
    if ";16" in _layout(image) and image.mode != "CMYK":  # which becomes RGB, of 8 bits
        return _deep_colour(image, reopen)
    _stretch_colour_key(image)
    mode = "L" if image.mode in ("1", "L", "La", "LA") else "RGB"
    if image.has_transparency_data:
        mode += "A"
    return _upright(_pixels(image, mode), image)


def _stretch_colour_key(image: ImageFile) -> None:
    """Pillow stretches a PNG's gray samples of 2 and 4 bits to 8, but not the transparent one."""
    key = image.info.get("transparency")
    if image.mode == "L" and key is not None:
        top = {"L;2": 3, "L;4": 15}.get(_layout(image), 255)
        image.info["transparency"] = (key & top) * (255 // top)


def _deep_gray(image: ImageFile) -> NDArray[np.uint16]:
    values = np.asarray(image).astype(np.uint16)[..., None]
    transparent = image.info.get("transparency")
    if transparent is not None:
        values = _with_alpha(values, values[..., 0] == transparent)
    elif isinstance(image, TiffImageFile):
        top = 2 ** _bits(image) - 1  # 4095 in a 12-bit TIFF
        if top < 65535:
            values = ((values.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)
        if image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0:  # is white
            values = 65535 - values
    return _upright(values, image)


def _deep_colour(image: ImageFile, reopen: Callable[[], ImageFile]) -> NDArray[np.uint16]:
    """16 bits per sample, read as two pictures of high and low bytes, one after the other."""
    stored = _layout(image)
    if stored == "LA;16B":  # its 4 bytes a pixel are just what Pillow calls RGBA
        with reopen() as reading:
            both = _pixels(_with_layout(reading, "RGBA"))
            return _upright(both.view(">u2").astype(np.uint16), reading)
    name, order = stored[:-4], stored[-1]
    if name not in _COLOURS:
        raise UnreadableImage(f"16-bit samples stored as {name} are not supported")
    halves = np.empty((image.height, image.width, len(image.getbands()), 2), np.uint8)
    for half, kept in ((_HIGH, order), (1 - _HIGH, _SWAPPED[order])):
        with reopen() as reading:
            _pixels(_with_layout(reading, f"{name};16{kept}"), out=halves[..., half])
            values = _upright(halves.view(np.uint16)[..., 0], reading)
    transparent = image.info.get("transparency")
    if transparent is not None:
        values = _with_alpha(values, (values == np.array(transparent)).all(axis=-1))
    return values


def _upright(samples: np.ndarray, image: Image.Image) -> np.ndarray:
    """The samples (H, W, ...) of a loaded picture, turned as its EXIF orientation says; a view."""
    orientation = image.getexif().get(ExifTag.Orientation)
    if orientation not in _STEPS:
        return samples
    down, across = _STEPS[orientation]
    turned = samples.swapaxes(0, 1) if orientation > 4 else samples
    return turned[::down, ::across]


def _with_alpha(values: NDArray[np.uint16], hidden: NDArray[np.bool_]) -> NDArray[np.uint16]:
    alpha = np.where(hidden, np.uint16(0), np.uint16(65535))
    return np.concatenate([values, alpha[..., None]], axis=2)


def _pixels(
    image: Image.Image, mode: str | None = None, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """The samples, uint8 (H, W, C), in one of Pillow's modes, the picture's own by default.

    They are taken some rows at a time: asking for all at once copies them twice.
    """
    mode = mode or image.mode
    if out is None:
        out = np.empty((image.height, image.width, Image.getmodebands(mode)), np.uint8)
    for top in range(0, image.height, ROWS):
        part = image.crop((0, top, image.width, min(top + ROWS, image.height))).convert(mode)
        out[top : top + ROWS] = np.asarray(part).reshape(part.height, part.width, -1)
    return out


def _layout(image: ImageFile) -> str:
    """How the file's samples lie, in the words of Pillow's decoders, such as RGB;16B."""
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])


def _with_layout(image: ImageFile, stored: str) -> ImageFile:
    for k, tile in enumerate(image.tile):
        arguments = stored if isinstance(tile.args, str) else (stored, *(tile.args or ())[1:])
        image.tile[k] = tile._replace(args=arguments)
    return image


def _bits(image: ImageFile) -> int:
    """Of a sample of a TIFF."""
    return max(image.tag_v2.get(BITSPERSAMPLE, (1,))) if isinstance(image, TiffImageFile) else 8
