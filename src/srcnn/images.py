"""Encoded pictures to 8-bit gray or RGB arrays, whatever their bit depth, palette or alpha."""

import io
import sys
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    TiffImageFile,
)

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")

# Pillow keeps only the high byte of 16-bit colour. Reading such samples with their bytes in the
# other order gives the low byte: the two readings together are the whole sample.
_NATIVE, _FOREIGN = ("L", "B") if sys.byteorder == "little" else ("B", "L")
_OTHER_BYTE_ORDER = {";16B": ";16L", ";16L": ";16B", ";16N": f";16{_FOREIGN}"}
_DEEP_LAYOUTS = {"RGB": "RGB", "RGBX": "RGB", "RGBA": "RGBA", "CMYK": "CMYK"}


class UnreadableImage(ValueError):
    """The bytes are not a picture that can be read right; the message says why."""


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _to_8_bits(image, data)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        if data.startswith((b"II*\0", b"MM\0*")):
            raise UnreadableImage("damaged, or a kind of TIFF that Pillow cannot read") from None
        raise UnreadableImage("not a PNG, JPEG, BMP, TIFF or WebP picture") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImage(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise UnreadableImage(f"cannot be decoded: {error or type(error).__name__}") from error


def _to_8_bits(image: Image.Image, data: bytes) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        return _deep_gray(image)
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed integer"
        raise UnreadableImage(f"{kind} samples have no known range; save it with 8 or 16 bits")
    if isinstance(image, TiffImageFile) and _has_deep_planes(image):
        raise UnreadableImage("16-bit TIFF in separate planes; save it with interleaved samples")
    layout = _layout(image)
    if ";16" in layout:
        return _deep_colour(image, layout, data)
    image = ImageOps.exif_transpose(image)
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        picture = _over_white(rgba[..., :3], rgba[..., 3], 255)
        return np.ascontiguousarray(picture[..., 0]) if gray else picture
    return np.array(image.convert("L" if gray else "RGB"))


def _deep_gray(image: Image.Image) -> NDArray[np.uint8]:
    bits, white_is_zero, transparent = 16, False, image.info.get("transparency")
    if isinstance(image, TiffImageFile):
        bits = max(_tiff_bits(image))
        white_is_zero = image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
    samples = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint32)
    maximum = 2**bits - 1
    if white_is_zero:
        samples = maximum - samples
    if transparent is not None:
        samples[samples == transparent] = maximum
    return _scale(samples, maximum)


def _deep_colour(image: Image.Image, layout: str, data: bytes) -> NDArray[np.uint8]:
    """16 bits per sample, read as two pictures of high and low bytes."""
    if layout == "LA;16B":  # its 4 bytes a pixel are just what Pillow calls RGBA
        pixels = np.asarray(ImageOps.exif_transpose(_with_layout(image, "RGBA"))).astype(np.uint32)
        gray, alpha = (pixels[..., i] << 8 | pixels[..., i + 1] for i in (0, 2))
        return _over_white(gray[..., None], alpha, 65535)[..., 0]
    name, order = layout[:-4], layout[-4:]
    if name not in _DEEP_LAYOUTS:
        raise UnreadableImage(f"16-bit samples stored as {name} are not supported")
    transparent = image.info.get("transparency")
    with Image.open(io.BytesIO(data), formats=FORMATS) as twin:
        _with_layout(twin, name + _OTHER_BYTE_ORDER[order])
        low = np.asarray(ImageOps.exif_transpose(twin)).astype(np.uint32)
    high = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint32)
    samples = high << 8 | low
    if _DEEP_LAYOUTS[name] == "CMYK":
        return np.array(Image.fromarray(_scale(samples, 65535), "CMYK").convert("RGB"))
    if _DEEP_LAYOUTS[name] == "RGBA":
        return _over_white(samples[..., :3], samples[..., 3], 65535)
    if transparent is not None:
        samples[(samples == np.array(transparent)).all(axis=-1)] = 65535
    return _scale(samples, 65535)


def _over_white(
    samples: NDArray[np.integer], alpha: NDArray[np.integer], maximum: int
) -> NDArray[np.uint8]:
    top = np.uint32(maximum)
    darkness = (top - samples.astype(np.uint32)) * alpha.astype(np.uint32)[..., None]
    return _scale((top * top - darkness + top // 2) // top, maximum)


def _scale(samples: NDArray[np.uint32], maximum: int) -> NDArray[np.uint8]:
    return ((samples * np.uint32(255) + np.uint32(maximum // 2)) // np.uint32(maximum)).astype(
        np.uint8
    )


def _layout(image: Image.Image) -> str:
    """How the file's samples lie, in the words of Pillow's decoders, such as RGB;16B."""
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])


def _with_layout(image: Image.Image, layout: str) -> Image.Image:
    image.tile = [
        tile._replace(args=layout if isinstance(tile.args, str) else (layout, *tile.args[1:]))
        for tile in image.tile
    ]
    return image


def _has_deep_planes(image: TiffImageFile) -> bool:
    """Pillow reads 8 bits of each such sample, or other samples altogether."""
    return max(_tiff_bits(image)) > 8 and image.tag_v2.get(PLANAR_CONFIGURATION) == 2


def _tiff_bits(image: TiffImageFile) -> tuple[int, ...]:
    return tuple(image.tag_v2.get(BITSPERSAMPLE, (1,)))
