"""Small encoded pictures."""

import io

import numpy as np
from PIL import Image


def png(seed: int, size: tuple[int, int] = (16, 24)) -> bytes:
    """An RGB picture of noise, (height, width) pixels, its own for every seed."""
    return encoded(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
