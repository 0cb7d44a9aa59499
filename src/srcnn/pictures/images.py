"""Encoded pictures to 8-bit gray or RGB arrays, whatever their bit depth, palette or alpha."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from srcnn.color import luma
from srcnn.pictures.deep import UnreadableImage, is_deep, read_deep

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG, BMP, TIFF or WebP picture to 8 bits.

    EXIF orientation is applied and only the first frame is read. Transparency is composited over
    white, as a page or a browser shows it: what lies under transparent pixels is arbitrary (often
    black) and would add edges nobody sees. Samples of more than 8 bits are scaled to 0..255 and
    rounded to nearest. Colour profiles and gamma tags are ignored.

    Returns:
        (H, W) for gray pictures (1-bit, gray, gray with alpha), else (H, W, 3) RGB; values 0..255.

    Raises:
        UnreadableImage: not one of these formats, truncated or damaged, more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`, or samples without a known range (floating point,
            32-bit or signed integers).
    """
    with opened(data, Image.MAX_IMAGE_PIXELS) as image:
        return _to_8_bits(image, data)


def decode_luma(data: bytes, luma_range: str) -> NDArray[np.uint8]:
    """What `srcnn.color.luma` makes of `decode`, with less work: uint8 (H, W).

    Raises:
        UnreadableImage: as `decode`.
        ValueError: another range.
    """
    with opened(data, Image.MAX_IMAGE_PIXELS) as image:
        picture = _to_8_bits(image, data, full_luma=luma_range == "full")
    return luma(picture, luma_range)


@contextmanager
def opened(source: bytes | Path, max_pixels: int | None) -> Iterator[ImageFile]:
    """A picture opened, its pixels not yet read; the block's failures become UnreadableImage.

    Args:
        source: the encoded picture, or the file that holds it.
        max_pixels: a picture of more is refused before it is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_again(source) as image:
                if max_pixels is not None and image.width * image.height > max_pixels:
                    raise UnreadableImage(
                        f"{image.width}x{image.height} is more than {max_pixels:,} pixels"
                    )
                yield image
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        if _head(source) in (b"II*\0", b"MM\0*"):
            raise UnreadableImage("damaged, or a kind of TIFF that Pillow cannot read") from None
        raise UnreadableImage("not a PNG, JPEG, BMP, TIFF or WebP picture") from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"more than {max_pixels:,} pixels") from None
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise UnreadableImage(f"cannot be decoded: {str(error) or type(error).__name__}") from error


def open_again(source: bytes | Path) -> ImageFile:
    """The picture opened by Pillow."""
    file = source if isinstance(source, Path) else io.BytesIO(source)
    return Image.open(file, formats=FORMATS)


def _to_8_bits(image: ImageFile, data: bytes, full_luma: bool = False) -> NDArray[np.uint8]:
    """The picture as `decode` gives it; with `full_luma` colour may already be luma, full range."""
    if is_deep(image):
        deep = read_deep(image, lambda: open_again(data))
        return _flat(deep.values, deep.maximum)
    ImageOps.exif_transpose(image, in_place=True)
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        picture = _flat(np.asarray(image.convert("RGBA")), 255)
        return np.ascontiguousarray(picture[..., 0]) if gray else picture
    mode = "L" if gray else "RGB"
    upright = image if image.mode == mode else image.convert(mode)
    # Pillow's "L" is this luma, and one channel is faster to copy than three.
    return np.array(upright.convert("L") if full_luma else upright)


def _flat(samples: NDArray[np.integer], maximum: int) -> NDArray[np.uint8]:
    """(H, W, 1 to 4), alpha over white, as 8 bits (H, W) or (H, W, 3)."""
    colour = samples.astype(np.uint32)
    top = np.uint32(maximum)
    if colour.shape[2] in (2, 4):
        colour, alpha = colour[..., :-1], colour[..., -1:]
        colour = (top * top - (top - colour) * alpha + top // 2) // top
    eight_bits = ((colour * np.uint32(255) + top // 2) // top).astype(np.uint8)
    return np.ascontiguousarray(eight_bits[..., 0] if eight_bits.shape[2] == 1 else eight_bits)


def _head(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source[:4]
    with source.open("rb") as file:
        return file.read(4)
