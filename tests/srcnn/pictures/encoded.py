"""Pictures in files, of which Pillow and tifffile write some and the others are made here."""

import io
import zlib

import numpy as np
import tifffile

from tests.support.pictures import PNG_SIGNATURE, png_chunk, png_head

RNG = np.random.default_rng(0)


def smooth(channels: int, dtype: type) -> np.ndarray:
    """Waves with a stripe of noise, (150, 97, channels)."""
    y, x = np.mgrid[:150, :97]
    planes = [np.sin(x / 9 + c) * 90 + y * 0.6 for c in range(channels)]
    samples = np.stack(planes, axis=2) - np.min(planes)
    samples[40:60] = RNG.uniform(0, 200, samples[40:60].shape)
    return (samples * (256 if dtype == np.uint16 else 1)).astype(dtype)


def tiff(samples: np.ndarray, **options: object) -> bytes:
    """A file that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def png(bits: int, values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of values (H, W, C), with each (kind, content) of `chunks`."""
    height, width, channels = values.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    single = values.reshape(height, -1, 1).astype(int) >> np.arange(bits)[::-1] & 1
    rows = np.packbits(single.reshape(height, -1).astype(np.uint8), axis=1)
    content = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    parts = [*chunks, (b"IDAT", content), (b"IEND", b"")]
    head = png_head(width, height, bits, colour)
    return PNG_SIGNATURE + head + b"".join(png_chunk(*part) for part in parts)
