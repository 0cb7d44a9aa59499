"""Encoded pictures to arrays, whatever their bit depth, palette or alpha."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from srcnn.data.color import luma
from srcnn.masking import brief
from srcnn.pictures.samples import ROWS, UnreadableImage, read_samples

# That are held at once: a picture of 100 megapixels is welcome, a bomb is not.
MAX_PIXELS = 128_000_000

_FORMATS = ["PNG", "JPEG", "BMP", "TIFF", "WEBP"]
with suppress(ImportError):  # an optional package
    from pillow_heif import register_heif_opener

    register_heif_opener()
    _FORMATS.append("HEIF")


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG, BMP, TIFF, WebP or (with pillow-heif) HEIC picture to 8 bits.

    EXIF orientation is applied and only the first frame is read. Transparency is composited over
    white, as a page or a browser shows it: what lies under transparent pixels is arbitrary (often
    black) and would add edges nobody sees. Samples of more than 8 bits are scaled to 0..255 and
    rounded to nearest. Colour profiles and gamma tags are ignored.

    Returns:
        (H, W) for gray pictures (1-bit, gray, gray with alpha), else (H, W, 3) RGB; values 0..255.

    Raises:
        UnreadableImage: not one of these formats, truncated or damaged, more than MAX_PIXELS, or
            samples without a known range (floating point, 32-bit or signed integers).
    """
    with opened(data) as image:
        return _flat(read_samples(image, lambda: open_again(data)))


def decode_luma(data: bytes, luma_range: str) -> NDArray[np.uint8]:
    """The luma, uint8 (H, W), of what `decode` gives.

    Raises:
        UnreadableImage: as `decode`.
        ValueError: another range, see `srcnn.data.color.luma`.
    """
    return luma(decode(data), luma_range)


@contextmanager
def opened(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> Iterator[ImageFile]:
    """A picture opened, its pixels not yet read; the block's failures become UnreadableImage.

    Args:
        source: the encoded picture, or the file that holds it.
        max_pixels: a picture of more is refused before it is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_again(source) as image:
                if image.width * image.height > max_pixels:
                    raise UnreadableImage(
                        f"{image.width}x{image.height} is more than {max_pixels:,} pixels"
                    )
                yield image
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage(
            "not a PNG, JPEG, BMP, TIFF or WebP picture, or of a kind that Pillow cannot read"
            f"{'' if 'HEIF' in _FORMATS else '; HEIC needs the package pillow-heif'}"
        ) from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"more than {max_pixels:,} pixels") from None
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise UnreadableImage(f"cannot be decoded: {brief(error)}") from error


def open_again(source: bytes | Path) -> ImageFile:
    """The picture opened by Pillow."""
    file = source if isinstance(source, Path) else io.BytesIO(source)
    return Image.open(file, formats=_FORMATS)


def _flat(samples: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Alpha over white, as 8 bits (H, W) or (H, W, 3)."""
    height, width, channels = samples.shape
    colours = 1 if channels < 3 else 3
    flat = np.empty((height, width, colours), np.uint8)
    for top in range(0, height, ROWS):
        part = samples[top : top + ROWS]
        if channels != colours or part.dtype != np.uint8:
            part = _over_white(part.astype(np.uint32), np.uint32(np.iinfo(part.dtype).max))
        flat[top : top + ROWS] = part
    return flat[..., 0] if colours == 1 else flat


def _over_white(colour: NDArray[np.uint32], top: np.uint32) -> NDArray[np.uint32]:
    if colour.shape[2] in (2, 4):
        colour, alpha = colour[..., :-1], colour[..., -1:]
        colour = (top * top - (top - colour) * alpha + top // 2) // top
    return (colour * np.uint32(255) + top // 2) // top
