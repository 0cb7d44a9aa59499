"""TIFF written from top to bottom, of 8 or 16 bits: tifffile writes pixels, Pillow the EXIF."""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_ROWS = 64  # of a tile, which is as wide as the picture
_CLASSIC = 3_900_000_000  # bytes before packing: offsets of 32 bits end at 4 GB


def write_tiff(
    file: BinaryIO,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    icc: bytes | None,
    exif: Image.Exif,
    rows: Iterable[np.ndarray],
) -> None:
    """Write TIFF 6.0, or BigTIFF where 4 GB may not do: deflate, horizontal differencing.

    Args:
        file: an empty one, to write and read.
        shape: height, width and channels.
        dtype: uint8 or uint16.
        icc: the colour profile.
        exif: from `srcnn.pictures.exif`.
        rows: all of them from the top, some at a time, (n, W, C).
    """
    height, width, channels = shape
    big = height * width * channels * dtype.itemsize > _CLASSIC
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<") as writer:
        writer.write(
            _tiles(rows),
            shape=shape if channels > 1 else shape[:2],
            dtype=dtype,
            tile=(_ROWS, -(-width // 16) * 16),
            planarconfig="contig" if channels > 1 else None,
            photometric="rgb" if channels > 2 else "minisblack",
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="adobe_deflate",
            predictor=True,
            iccprofile=icc,
            maxworkers=1,  # more would hold half a gigabyte
            metadata=None,
            software=False,
        )
    if exif:
        _describe(file, exif, big)


def _describe(file: BinaryIO, exif: Image.Exif, big: bool) -> None:
    """Put EXIF into a TIFF, whose directory is written anew at the end of the file."""
    file.seek(0)
    header = file.read(16 if big else 8)
    directory = ImageFileDirectory_v2(header)
    file.seek(directory.next)
    directory.load(file)
    dict(directory)  # decodes the values, without which Pillow does not write them
    file.seek(0, 2)
    for tag, value in exif.items():
        if isinstance(value, dict):
            below = ImageFileDirectory_v2(header, group=tag)
            below.update(value)
            start, value = file.tell(), file.tell()
            file.write(below.tobytes(start))
            directory.tagtype[tag] = TiffTags.LONG8 if big else TiffTags.LONG
        directory[tag] = value
    start = file.tell()
    file.write(directory.tobytes(start))
    file.seek(8 if big else 4)
    file.write(struct.pack("<Q" if big else "<I", start))


def _tiles(rows: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same rows, as many at a time as a tile has; the last may have fewer."""
    lines = chain.from_iterable(rows)
    while tile := list(islice(lines, _ROWS)):
        yield np.stack(tile)
