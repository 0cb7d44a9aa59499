"""Encoded pictures in a few Parquet files, which DVC handles far faster than thousands of files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.picture_source import RawPicture

SHARD_BYTES = 128 * 2**20
GROUP_BYTES = 8 * 2**20  # encoded pictures in memory at a time

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("data", pa.large_binary()),
        ("split", pa.string()),
    ]
)


def shards(folder: Path) -> list[Path]:
    """The files that a `ShardWriter` wrote, in its order."""
    return sorted(folder.glob("pictures-*.parquet"))


def count(shard: Path) -> int:
    """How many pictures a shard holds."""
    with pq.ParquetFile(shard) as file:
        return int(file.metadata.num_rows)


def pictures(shard: Path) -> Iterator[RawPicture]:
    """The pictures of a shard, GROUP_BYTES in memory at a time."""
    with pq.ParquetFile(shard) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group).to_pylist():
                yield RawPicture(**row)


class ShardWriter:
    """Writes shards of about SHARD_BYTES, in row groups of about GROUP_BYTES, into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._file: pq.ParquetWriter | None = None
        self._group: list[RawPicture] = []
        self._group_bytes = 0
        self._shard_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None and self._group:
            self._write_group()
        self._close()

    def add(self, picture: RawPicture) -> None:
        """Take a picture in."""
        self._group.append(picture)
        self._group_bytes += len(picture.data)
        if self._group_bytes >= GROUP_BYTES:
            self._write_group()
        if self._shard_bytes >= SHARD_BYTES:
            self._close()

    def _write_group(self) -> None:
        if self._file is None:
            # Encoded pictures do not compress, and their statistics would be copies of them.
            self._file = pq.ParquetWriter(
                self._folder / f"pictures-{self._count:05d}.parquet",
                _SCHEMA,
                compression="none",
                use_dictionary=False,
                write_statistics=False,
            )
            self._count += 1
        columns = {name: [getattr(p, name) for p in self._group] for name in _SCHEMA.names}
        self._file.write_table(pa.table(columns, schema=_SCHEMA))
        self._shard_bytes += self._group_bytes
        self._group, self._group_bytes = [], 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._shard_bytes = None, 0
