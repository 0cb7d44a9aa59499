"""TIFF written from top to bottom.

Our own: Pillow holds the whole picture, and tifffile would be a dependency for these 100 lines.
"""

import struct
import zlib
from typing import BinaryIO

import numpy as np

from srcnn.pictures.exif import Field, tiff_fields

_SHORT, _LONG, _UNDEFINED, _LONG8 = 3, 4, 7, 16
_CODES = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}


class TiffWriter:
    """TIFF 6.0, or BigTIFF where 4 GB may not do: strips, deflate, horizontal differencing."""

    _ROWS = 64

    def __init__(
        self,
        file: BinaryIO,
        shape: tuple[int, int, int],
        deep: bool,
        icc: bytes | None,
        exif: bytes,
        big: bool,
    ) -> None:
        _, width, channels = shape
        self._file = file
        self._icc = icc
        self._described = tiff_fields(exif)
        self._shape = shape
        self._bits = 16 if deep else 8
        self._big = big
        self._pending = np.empty((0, width, channels), np.uint16 if deep else np.uint8)
        self._offsets: list[int] = []
        self._sizes: list[int] = []
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if self._big else b"II*\0\0\0\0\0")

    def write(self, rows: np.ndarray) -> None:
        """Take the next rows, (n, W, C)."""
        self._pending = np.concatenate([self._pending, rows])
        while len(self._pending) >= self._ROWS:
            self._strip(self._pending[: self._ROWS])
            self._pending = self._pending[self._ROWS :]

    def finish(self) -> None:
        """Write what comes after the last row."""
        if len(self._pending):
            self._strip(self._pending)
        self._main_directory()

    def _strip(self, rows: np.ndarray) -> None:
        differences = rows.copy()
        differences[:, 1:] -= rows[:, :-1]
        packed = zlib.compress(differences.astype(rows.dtype.newbyteorder("<")).tobytes(), 6)
        self._offsets.append(self._file.tell())
        self._sizes.append(len(packed))
        self._file.write(packed + b"\0" * (len(packed) % 2))

    def _main_directory(self) -> None:
        """The image file directory, after the strips, and its offset in the header."""
        height, width, channels = self._shape
        place = _LONG8 if self._big else _LONG
        fields = [
            _numbers(256, _LONG, [width]),
            _numbers(257, _LONG, [height]),
            _numbers(258, _SHORT, [self._bits] * channels),
            _numbers(259, _SHORT, [8]),  # deflate
            _numbers(262, _SHORT, [2 if channels > 2 else 1]),  # RGB, or black is zero
            _numbers(273, place, self._offsets),
            _numbers(277, _SHORT, [channels]),
            _numbers(278, _LONG, [self._ROWS]),
            _numbers(279, _LONG, self._sizes),
            _numbers(317, _SHORT, [2]),  # horizontal differencing
        ]
        if channels in (2, 4):
            fields.append(_numbers(338, _SHORT, [2]))  # unassociated alpha
        if self._icc:
            fields.append(Field(34675, _UNDEFINED, len(self._icc), self._icc))
        start = self._directory(fields + self._described)
        self._file.seek(8 if self._big else 4)
        self._file.write(struct.pack("<Q" if self._big else "<I", start))

    def _directory(self, fields: list[Field]) -> int:
        """Write a directory after what is in the file, and tell where it is."""
        # Values too long for an entry, and directories below, are written on the way.
        entries = [self._entry(field) for field in sorted(fields, key=lambda field: field.tag)]
        start = self._file.tell()
        self._file.write(struct.pack("<Q" if self._big else "<H", len(entries)))
        self._file.write(b"".join(entries) + struct.pack("<Q" if self._big else "<I", 0))
        return start

    def _entry(self, field: Field) -> bytes:
        content = field.content
        kind = field.kind
        place = "Q" if self._big else "I"
        room = struct.calcsize(place)
        if isinstance(content, list):
            kind = _LONG8 if self._big else _LONG
            content = struct.pack(f"<{place}", self._directory(content))
        if len(content) > room:
            offset = self._file.tell()
            self._file.write(content + b"\0" * (len(content) % 2))
            content = struct.pack(f"<{place}", offset)
        return struct.pack(f"<HH{place}", field.tag, kind, field.count) + content.ljust(room, b"\0")


def _numbers(tag: int, kind: int, values: list[int]) -> Field:
    return Field(tag, kind, len(values), struct.pack(f"<{len(values)}{_CODES[kind]}", *values))
