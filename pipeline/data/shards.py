"""Encoded pictures in a few Parquet files, which DVC handles far faster than thousands of files."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

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


def files(folder: Path) -> list[Path]:
    """The files that `write` wrote, in its order."""
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


def write(arriving: Iterable[RawPicture], folder: Path) -> None:
    """Write shards of about SHARD_BYTES, in row groups of about GROUP_BYTES, into a folder."""
    groups = _groups(arriving)
    for number, first in enumerate(groups):
        # Encoded pictures do not compress, and their statistics would be copies of them.
        with pq.ParquetWriter(
            folder / f"pictures-{number:05d}.parquet",
            _SCHEMA,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
        ) as shard:
            size = 0
            for group in chain([first], groups):
                shard.write_table(pa.Table.from_pylist(list(map(asdict, group)), _SCHEMA))
                size += sum(len(picture.data) for picture in group)
                if size >= SHARD_BYTES:
                    break


def _groups(arriving: Iterable[RawPicture]) -> Iterator[list[RawPicture]]:
    group: list[RawPicture] = []
    size = 0
    for picture in arriving:
        group.append(picture)
        size += len(picture.data)
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
