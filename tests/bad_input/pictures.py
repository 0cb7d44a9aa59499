"""Picture files, whole and in all ways broken, made anew from their seeds.

`test_anything.py` damages them at random.
"""

import struct
import zlib

import numpy as np
from PIL import Image

from tests.support.pictures import PNG_SIGNATURE, encoded, png_chunk, png_head

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 33, 4), dtype=np.uint8)


def noise(kind: str, mode: str = "RGB", **options: object) -> bytes:
    return encoded(Image.fromarray(PIXELS, "RGBA").convert(mode), kind, **options)


def png(width: int, height: int, rows: bytes = b"", **options: int) -> bytes:
    """A PNG that declares this size and holds these rows."""
    body = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return PNG_SIGNATURE + png_head(width, height, **options) + body


def tiff(*entries: tuple[int, int, int, int]) -> bytes:
    """A little-endian TIFF with one directory of (tag, type, count, value)."""
    fields = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + fields + bytes(4)


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, width, height, 1, 24, *[0] * 6)


WHOLE = {
    "png gray": noise("PNG", "L"),
    "png rgb": noise("PNG"),
    "png rgba": noise("PNG", "RGBA"),
    "png palette": noise("PNG", "P"),
    "png 1 bit": noise("PNG", "1"),
    "jpeg": noise("JPEG"),
    "jpeg gray": noise("JPEG", "L"),
    "jpeg cmyk": noise("JPEG", "CMYK"),
    "jpeg progressive": noise("JPEG", progressive=True),
    "tiff": noise("TIFF"),
    "tiff lzw": noise("TIFF", compression="tiff_lzw"),
    "tiff jpeg": noise("TIFF", compression="jpeg"),
    "webp": noise("WEBP"),
    "webp lossless": noise("WEBP", "RGBA", lossless=True),
}

_PNG = WHOLE["png rgb"]
BROKEN = {
    "empty": b"",
    "html": b"<html><body>404</body></html>",
    "gif": noise("GIF", "P"),
    "a pointer of git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "png signature": _PNG[:8],
    "png without rows": png(8, 8),
    "png 0 wide": png(0, 8),
    "png bomb": png(100_000, 100_000),
    "png beyond 2^31": png(2**32 - 1, 2**32 - 1),
    "png of 7 bits": png(8, 8, bytes(72), bits=7),
    "png of colour type 5": png(8, 8, bytes(72), color=5),
    "png with wrong checksum": _PNG[:29] + b"0000" + _PNG[33:],
    "png without zlib": _PNG[:33] + png_chunk(b"IDAT", b"x" * 50) + png_chunk(b"IEND", b""),
    "text bomb": _PNG[:33]
    + png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9))
    + _PNG[33:],
    "jpeg start": b"\xff\xd8\xff\xe0",
    "jpeg bomb": WHOLE["jpeg"].replace(
        struct.pack(">HH", 24, 33), struct.pack(">HH", 65500, 65500)
    ),
    "tiff without directory": b"II*\0\xff\xff\xff\x7f",
    "tiff without strips": tiff((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1)),
    "tiff bomb": tiff(
        *((256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), (258, 3, 1, 8), (262, 3, 1, 1)),
        *((273, 4, 1, 8), (278, 4, 1, 1), (279, 4, 1, 8)),
    ),
    "tiff of a billion values": tiff((256, 4, 2**31 - 1, 8), (257, 4, 1, 8)),
    "tiff that points to itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "big tiff": b"II+\0\x08\0\0\0" + b"\xff" * 8,
    "bmp bomb": bmp(2**31 - 1, 2**31 - 1),
    "bmp of negative size": bmp(-8, -8),
    "webp without size": WHOLE["webp"][:4] + b"\0\0\0\0" + WHOLE["webp"][8:],
    **{f"{name}, half": content[: len(content) // 2] for name, content in WHOLE.items()},
}
