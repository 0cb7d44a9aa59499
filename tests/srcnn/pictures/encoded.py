"""Pictures in files, of which Pillow and tifffile write some and the others are made here."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

RNG = np.random.default_rng(0)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def smooth(channels: int, dtype: type) -> np.ndarray:
    """Waves with a stripe of noise, (150, 97, channels)."""
    y, x = np.mgrid[:150, :97]
    planes = [np.sin(x / 9 + c) * 90 + y * 0.6 for c in range(channels)]
    samples = np.stack(planes, axis=2) - np.min(planes)
    samples[40:60] = RNG.uniform(0, 200, samples[40:60].shape)
    return (samples * (256 if dtype == np.uint16 else 1)).astype(dtype)


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """A file that Pillow writes."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(samples: np.ndarray, **options: object) -> bytes:
    """A file that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def png(bits: int, values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of values (H, W, C), with each (kind, content) of `chunks`."""
    height, width, channels = values.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    single = values.reshape(height, -1, 1).astype(int) >> np.arange(bits)[::-1] & 1
    rows = np.packbits(single.reshape(height, -1).astype(np.uint8), axis=1)
    content = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    parts = [(b"IHDR", head), *chunks, (b"IDAT", content), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in parts
    )
