"""Small pictures, plain and encoded."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """A picture of noise, uint8, its own for every seed."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(seed: int, size: tuple[int, int] = (16, 24)) -> bytes:
    """An RGB picture of noise, (height, width) pixels, its own for every seed."""
    return encoded(noise(seed, (*size, 3)))


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """A file that Pillow writes."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png_head(width: int, height: int, bits: int = 8, color: int = 0) -> bytes:
    """The chunk of a PNG that declares its size and kind."""
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
