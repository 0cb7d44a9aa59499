"""Picture files, whole and in all ways broken, made anew from their seeds."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 33, 4), dtype=np.uint8)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """A small picture of noise."""
    image = Image.fromarray(PIXELS, "RGBA").convert(mode)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + crc(kind + content)


def crc(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


def png(width: int, height: int, rows: bytes = b"", bits: int = 8, colour: int = 0) -> bytes:
    """A PNG that declares this size and holds these rows."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


def tiff(*entries: tuple[int, int, int, int], behind: bytes = b"") -> bytes:
    """A little-endian TIFF with one directory of (tag, type, count, value)."""
    fields = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + fields + bytes(4) + behind


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, width, height, 1, 24, *[0] * 6)


WHOLE = {
    "png gray": encoded("PNG", "L"),
    "png rgb": encoded("PNG"),
    "png rgba": encoded("PNG", "RGBA"),
    "png palette": encoded("PNG", "P"),
    "png 1 bit": encoded("PNG", "1"),
    "jpeg": encoded("JPEG"),
    "jpeg gray": encoded("JPEG", "L"),
    "jpeg cmyk": encoded("JPEG", "CMYK"),
    "jpeg progressive": encoded("JPEG", progressive=True),
    "tiff": encoded("TIFF"),
    "tiff lzw": encoded("TIFF", compression="tiff_lzw"),
    "tiff jpeg": encoded("TIFF", compression="jpeg"),
    "webp": encoded("WEBP"),
    "webp lossless": encoded("WEBP", "RGBA", lossless=True),
}

_frames = [Image.fromarray(np.roll(PIXELS[..., :3], i, 0)) for i in range(3)]


def _several(kind: str) -> bytes:
    file = io.BytesIO()
    _frames[0].save(file, kind, save_all=True, append_images=_frames[1:])
    return file.getvalue()


def _saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "TIFF")
    return file.getvalue()


_PNG = WHOLE["png rgb"]
# refused by `srcnn upscale`; of files with several frames other readers take the first
BROKEN = {
    "empty": b"",
    "text": b"a portrait\n" * 50,
    "html": b"<html><body>404</body></html>",
    "noise": np.random.default_rng(1).bytes(5000),
    "gif": encoded("GIF", "P"),
    "a pointer of git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "png signature": _PNG[:8],
    "png without rows": png(8, 8),
    "png 0 wide": png(0, 8),
    "png bomb": png(100_000, 100_000),
    "png beyond 2^31": png(2**32 - 1, 2**32 - 1),
    "png of 7 bits": png(8, 8, bytes(72), bits=7),
    "png of colour type 5": png(8, 8, bytes(72), colour=5),
    "png with wrong checksum": _PNG[:29] + b"0000" + _PNG[33:],
    "png without zlib": _PNG[:33] + chunk(b"IDAT", b"x" * 50) + chunk(b"IEND", b""),
    "text bomb": _PNG[:33]
    + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9))
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
    "float tiff": _saved(PIXELS[..., 0].astype(np.float32)),
    "integer tiff": _saved(PIXELS[..., 0].astype(np.int32)),
    "pages": _several("TIFF"),
    "animation": _several("WEBP"),
    "animated png": _several("PNG"),
    "bmp bomb": bmp(2**31 - 1, 2**31 - 1),
    "bmp of negative size": bmp(-8, -8),
    "webp without size": WHOLE["webp"][:4] + b"\0\0\0\0" + WHOLE["webp"][8:],
    **{f"{name}, half": content[: len(content) // 2] for name, content in WHOLE.items()},
}

# what Pillow reads all the same
LENIENT = {
    "png with some rows": png(8, 8, bytes(9 * 3)),
    "png palette without one": png(8, 8, bytes(72), colour=3),
    "png with a huge chunk": _PNG[:33] + struct.pack(">I", 2**31) + _PNG[37:],
}


def damaged(seeds: range) -> dict[str, bytes]:
    """Whole pictures with some bytes changed: some can be read, some cannot."""
    made = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        name, content = list(WHOLE.items())[seed % len(WHOLE)]
        changed = bytearray(content)
        # heads are short and decide most
        for place in rng.integers(0, min(len(content), rng.choice([60, 300, 10_000])), 3):
            changed[place] = rng.integers(256)
        made[f"{name}, damage {seed}"] = bytes(changed)
    return made


DAMAGED = LENIENT | damaged(range(84))
