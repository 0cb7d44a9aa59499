"""TIFF written from top to bottom, of 8 or 16 bits.

Pillow writes no 16-bit colour and holds the whole picture, tifffile writes no EXIF: here Pillow
writes the directories, and only the pixels are our own.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    EXTRASAMPLES,
    ICCPROFILE,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PREDICTOR,
    SAMPLESPERPIXEL,
    TILEBYTECOUNTS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    ImageFileDirectory_v2,
)

# Of a tile, which is as wide as the picture: Pillow's directory puts strips behind itself.
_ROWS = 64
_CLASSIC = 3_900_000_000  # bytes before packing: offsets of 32 bits end at 4 GB


def write_tiff(
    file: BinaryIO,
    shape: tuple[int, int, int],
    deep: bool,
    icc: bytes | None,
    exif: Image.Exif,
    rows: Iterable[np.ndarray],
) -> None:
    """Write TIFF 6.0, or BigTIFF where 4 GB may not do: deflate, horizontal differencing.

    Args:
        file: an empty one.
        shape: height, width and channels.
        deep: 16 bits a sample, else 8.
        icc: the colour profile.
        exif: from `srcnn.pictures.exif`.
        rows: all of them from the top, some at a time, (n, W, C).
    """
    height, width, channels = shape
    big = height * width * channels * (2 if deep else 1) > _CLASSIC
    header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if big else b"II*\0\0\0\0\0"
    file.write(header)
    directory = ImageFileDirectory_v2(header)
    for tag, value in exif.items():
        if isinstance(value, dict):
            below = ImageFileDirectory_v2(header, group=tag)
            below.update(value)
            start, value = file.tell(), file.tell()
            file.write(below.tobytes(start))
        directory[tag] = value
    wide = -(-width // 16) * 16
    offsets, sizes = [], []
    for tile in _tiles(rows):
        padded = np.pad(tile, ((0, _ROWS - len(tile)), (0, wide - width), (0, 0)), mode="edge")
        padded[:, 1:] -= padded[:, :-1].copy()
        packed = zlib.compress(padded.astype(padded.dtype.newbyteorder("<")).tobytes(), 6)
        offsets.append(file.tell())
        sizes.append(len(packed))
        file.write(packed + b"\0" * (len(packed) % 2))
    if big:
        directory.tagtype[TILEOFFSETS] = TiffTags.LONG8
    directory.update(
        {
            IMAGEWIDTH: width,
            IMAGELENGTH: height,
            BITSPERSAMPLE: (16 if deep else 8,) * channels,
            COMPRESSION: 8,  # deflate
            PHOTOMETRIC_INTERPRETATION: 2 if channels > 2 else 1,  # RGB, or black is zero
            SAMPLESPERPIXEL: channels,
            PREDICTOR: 2,  # horizontal differencing
            TILEWIDTH: wide,
            TILELENGTH: _ROWS,
            TILEOFFSETS: tuple(offsets),
            TILEBYTECOUNTS: tuple(sizes),
        }
    )
    if channels in (2, 4):
        directory[EXTRASAMPLES] = 2  # unassociated alpha
    if icc:
        directory[ICCPROFILE] = icc
    start = file.tell()
    file.write(directory.tobytes(start))
    file.seek(8 if big else 4)
    file.write(struct.pack("<Q" if big else "<I", start))


def _tiles(rows: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same rows, as many at a time as a tile has; the last may have fewer."""
    pending: list[np.ndarray] = []
    for part in rows:
        whole = np.concatenate([*pending, part])
        end = len(whole) // _ROWS * _ROWS
        for top in range(0, end, _ROWS):
            yield whole[top : top + _ROWS]
        pending = [whole[end:]]
    if len(pending[0]):
        yield pending[0]
