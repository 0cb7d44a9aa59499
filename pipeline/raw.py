"""The folder data/raw: encoded pictures as they came, in a few Parquet shards, and an index."""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.stage import StageError
from srcnn.pictures import images

INDEX = "index.csv"
SKIPPED = "skipped.csv"

SHARD_BYTES = 128 * 2**20  # DVC handles a dozen large files far faster than thousands of small ones
GROUP_BYTES = 8 * 2**20  # encoded pictures in memory at a time

_SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("data", pa.large_binary())])


@dataclass(frozen=True)
class Picture:
    """An encoded picture. `source` names the photograph that it, or the whole of it, is."""

    id: str
    source: str
    data: bytes = field(repr=False)


class Unreadable:
    """What to do with pictures that cannot be read: stop at the first, or skip and list them."""

    def __init__(self, skip: bool = False) -> None:
        self.skip = skip
        self.skipped: list[tuple[str, str]] = []

    def add(self, file: str, reason: object) -> None:
        """Note a picture and why it cannot be read.

        Raises:
            StageError: pictures are not to be skipped.
        """
        if not self.skip:
            raise StageError(
                f"{file} cannot be read: {reason}. Repair or remove it, or set "
                "data.skip_unreadable to true to skip and list such pictures"
            )
        self.skipped.append((file, str(reason)))


def write(pictures: Iterable[Picture], folder: Path, unreadable: Unreadable | None = None) -> int:
    """Check pictures by decoding them and write them, with index.csv and skipped.csv.

    A picture whose bytes came before gets the first one's source, so that copies of one photograph
    never land in different splits. The same pictures give the same files, bit for bit.

    Args:
        pictures: in the order to keep; read one by one.
        folder: an existing, empty folder.
        unreadable: what to do with pictures that cannot be decoded; by default the first one stops.

    Returns:
        The number of pictures written.

    Raises:
        StageError: a picture is unreadable and not to be skipped, or an id comes twice.
    """
    unreadable = unreadable or Unreadable()
    sources: dict[str, str] = {}  # by sha256
    ids: set[str] = set()
    with ExitStack() as stack:
        shards = stack.enter_context(_Shards(folder))
        index = _table(stack, folder / INDEX, ["id", "source", "width", "height", "sha256"])
        for picture in pictures:
            if picture.id in ids:
                raise StageError(f"two pictures have the id {picture.id!r}; ids must be unique")
            try:
                height, width = images.decode(picture.data).shape[:2]
            except images.UnreadableImage as error:
                unreadable.add(picture.id, error)
                continue
            ids.add(picture.id)
            digest = hashlib.sha256(picture.data).hexdigest()
            source = sources.setdefault(digest, picture.source)
            shards.add(Picture(picture.id, source, picture.data))
            index.writerow([picture.id, source, width, height, digest])
        _table(stack, folder / SKIPPED, ["file", "reason"]).writerows(unreadable.skipped)
    return len(ids)


def read(folder: Path) -> Iterator[Picture]:
    """The pictures that `write` wrote, in its order, a few megabytes in memory at a time."""
    for shard in sorted(folder.glob("pictures-*.parquet")):
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                for row in file.read_row_group(group).to_pylist():
                    yield Picture(**row)


def skipped(folder: Path) -> list[tuple[str, str]]:
    """File and reason of every picture that was skipped because it could not be read."""
    with (folder / SKIPPED).open(newline="", encoding="utf-8") as file:
        return [(row["file"], row["reason"]) for row in csv.DictReader(file)]


def _table(stack: ExitStack, path: Path, columns: list[str]) -> Any:
    file: TextIO = stack.enter_context(path.open("w", newline="", encoding="utf-8"))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    return writer


class _Shards:
    """Parquet files of at most about SHARD_BYTES, in row groups of about GROUP_BYTES."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._writer: pq.ParquetWriter | None = None
        self._group: list[Picture] = []
        self._group_bytes = 0
        self._shard_bytes = 0

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._write_group()
        self._close_shard()

    def add(self, picture: Picture) -> None:
        self._group.append(picture)
        self._group_bytes += len(picture.data)
        if self._group_bytes >= GROUP_BYTES:
            self._write_group()
        if self._shard_bytes >= SHARD_BYTES:
            self._close_shard()

    def _write_group(self) -> None:
        if not self._group:
            return
        if self._writer is None:
            # Encoded pictures do not compress, and their statistics would be copies of them.
            self._writer = pq.ParquetWriter(
                self._folder / f"pictures-{self._count:05d}.parquet",
                _SCHEMA,
                compression="none",
                use_dictionary=False,
                write_statistics=False,
            )
            self._count += 1
        columns = {name: [getattr(p, name) for p in self._group] for name in _SCHEMA.names}
        self._writer.write_table(pa.table(columns, schema=_SCHEMA))
        self._shard_bytes += self._group_bytes
        self._group, self._group_bytes = [], 0

    def _close_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._shard_bytes = None, 0
