"""Picture files as people have them, with all that must come back after enlarging."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from srcnn.pictures.deep import UnreadableImage, is_deep, read_deep, strips, upright
from srcnn.pictures.exif import read_exif
from srcnn.pictures.images import open_again, opened

# Input pixels: a picture of 100 megapixels is welcome, a bomb is not.
MAX_PIXELS = 128_000_000

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}

# Pillow's modes to those that are enlarged; a palette or colour key with transparency gets alpha.
_MODES = {
    "1": "L",
    "L": "L",
    "La": "LA",
    "LA": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "RGBA": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
}
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        samples: uint8 or uint16 (H, W, C), upright; C is 1 for gray, 2 for gray and alpha, 3 for
            RGB, 4 for RGBA.
        icc: the colour profile, if the file has one that describes these samples.
        exif: what camera and owner wrote, without orientation, which is applied.
    """

    samples: np.ndarray
    icc: bytes | None = None
    exif: Image.Exif | None = None


def read(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a PNG, JPEG, BMP, TIFF or WebP picture.

    Palettes become RGB, 1-bit pictures gray, CMYK RGB without its profile. 16 bits stay 16 bits;
    fewer (a 12-bit TIFF) are scaled to 16.

    Raises:
        UnreadableImage: not one of these formats, damaged or truncated, several frames or pages,
            more than `max_pixels`, or samples without a known range.
    """
    with opened(source, max_pixels) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # of a phone's MPO, the others are aids
            raise UnreadableImage(f"{frames} frames or pages; only single pictures are enlarged")
        icc = image.info.get("icc_profile")
        exif = read_exif(image)
        if is_deep(image):
            deep = read_deep(image, lambda: open_again(source))
            samples = _stretched(deep.values, deep.maximum)
        else:
            samples = _eight_bits(image)
        return Picture(samples, None if image.mode == "CMYK" else icc, exif)


def _eight_bits(image: Image.Image) -> np.ndarray:
    mode = _MODES.get(image.mode)
    if mode is None:
        raise UnreadableImage(f"pictures of Pillow's mode {image.mode} are not supported")
    if image.has_transparency_data:
        mode = "LA" if mode in ("L", "LA") else "RGBA"
    image.load()  # which may turn a TIFF, and its size
    samples = np.empty((image.height, image.width, _CHANNELS[mode]), np.uint8)
    for rows, part in strips(image, mode):
        samples[rows] = part.reshape(part.shape[0], image.width, -1)
    return upright(samples, image)


def _stretched(values: np.ndarray, maximum: int) -> np.ndarray:
    if maximum in (255, 65535):
        return values
    return ((values.astype(np.uint32) * 65535 + maximum // 2) // maximum).astype(np.uint16)
