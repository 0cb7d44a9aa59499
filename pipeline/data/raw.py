"""The folder data/raw: encoded pictures as they came, in a few Parquet shards, and an index."""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.parallel import in_order
from pipeline.stage import StageError, artifacts
from pipeline.stage.sections import Data
from srcnn.pictures import images
from srcnn.pictures.deep import UnreadableImage
from srcnn.splits import split_of

INDEX = "index.csv"
SKIPPED = "skipped.csv"
META = "meta.json"

SHARD_BYTES = 128 * 2**20  # DVC handles a dozen large files far faster than thousands of small ones
GROUP_BYTES = 8 * 2**20  # encoded pictures in memory at a time

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("data", pa.large_binary()),
        ("split", pa.string()),
    ]
)


@dataclass(frozen=True)
class RawPicture:
    """An encoded picture.

    Attributes:
        id: its name, one line.
        source: names the photograph, or the series of them, that it is from. None: the picture is
            its own source, and its pixels name it.
        data: the file.
        split: "train", "val" or "test", where that is known; "": `data.split` decides.
    """

    id: str
    source: str | None
    data: bytes = field(repr=False)
    split: str = ""


@dataclass(frozen=True)
class Entry:
    """A picture as the index lists it; `sha256` is that of the encoded picture, in hex."""

    id: str
    source: str
    split: str
    width: int
    height: int
    sha256: str


def split(entry: Entry, data: Data) -> str:
    """What a picture serves for: what its source knows, else what data.split makes of its name."""
    return entry.split or split_of(entry.source, data.split.model_dump(), data.split_salt)


@dataclass(frozen=True)
class Meta:
    """Where a folder's pictures are from.

    Attributes:
        source: as data.source.
        revision: the hub's commit, if they are from there.
        pictures: how many there are.
        params: those that they were fetched with, by dotted names.
    """

    source: str
    revision: str | None
    pictures: int
    params: dict[str, Any]


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


def write(
    pictures: Iterable[RawPicture],
    folder: Path,
    unreadable: Unreadable | None = None,
    grouped: bool = False,
    workers: int | None = None,
) -> int:
    """Check pictures by decoding them and write them, with index.csv and skipped.csv.

    Pictures of the same pixels, in whatever file, get one source, so that copies of a photograph
    never land in different splits. The same pictures give the same files, bit for bit.

    Args:
        pictures: in the order to keep; read one by one.
        folder: an existing, empty folder.
        unreadable: what to do with pictures that cannot be decoded; by default the first one stops.
        grouped: the user says which pictures are of one source, so copies in two of them are an
            error; else they get the source of the first one.
        workers: how many pictures are decoded at a time; None: one for each core. The files are
            the same for any number.

    Returns:
        The number of pictures written.

    Raises:
        StageError: a picture is unreadable and not to be skipped, an id comes twice, or the same
            picture is in two groups.
    """
    unreadable = unreadable or Unreadable()
    firsts: dict[str, tuple[str, str]] = {}  # by their pixels: id and source
    ids: set[str] = set()
    with ExitStack() as stack:
        shards = stack.enter_context(_Shards(folder))
        index = _table(
            stack, folder / INDEX, ["id", "source", "split", "width", "height", "sha256"]
        )
        for picture, seen in in_order(_look_at, pictures, workers):
            if picture.id in ids:
                raise StageError(f"two pictures have the id {picture.id!r}; ids must be unique")
            if isinstance(seen, UnreadableImage):
                unreadable.add(picture.id, seen)
                continue
            ids.add(picture.id)
            name = seen.name
            first, source = firsts.setdefault(name, (picture.id, picture.source or name))
            if grouped and source != picture.source:
                raise StageError(
                    f"data.group_by puts {picture.id!r} into source {picture.source!r}, but it is "
                    f"the same picture as {first!r} of source {source!r}: remove one of them, or "
                    "choose a data.group_by that puts both into one source"
                )
            shards.add(RawPicture(picture.id, source, picture.data, picture.split))
            index.writerow(
                [picture.id, source, picture.split, seen.width, seen.height, seen.sha256]
            )
        _table(stack, folder / SKIPPED, ["file", "reason"]).writerows(sorted(unreadable.skipped))
    return len(ids)


@dataclass(frozen=True)
class _Seen:
    """What is looked up of a picture: `name` is the same for the same pixels in any file."""

    width: int
    height: int
    name: str
    sha256: str


def _look_at(picture: RawPicture) -> tuple[RawPicture, _Seen | UnreadableImage]:
    try:
        gray = images.decode_luma(picture.data, "full")
    except UnreadableImage as error:
        return picture, error
    height, width = gray.shape
    digest = hashlib.sha256(picture.data).hexdigest()
    return picture, _Seen(width, height, _name_of(gray), digest)


def _name_of(gray: np.ndarray) -> str:
    """A name for what is seen, whatever the file's format: networks only see the luma."""
    return hashlib.sha256(str(gray.shape).encode() + gray.tobytes()).hexdigest()[:16]


def index(folder: Path) -> list[Entry]:
    """What `write` wrote, in its order.

    Raises:
        StageError: there is no index, it is damaged, or there are not as many pictures.
    """
    held = 0
    for shard in _shards(folder):
        with artifacts.reading(shard, folder), pq.ParquetFile(shard) as file:
            held += file.metadata.num_rows
    with (
        artifacts.reading(folder / INDEX, folder),
        (folder / INDEX).open(newline="", encoding="utf-8") as file,
    ):
        entries = [
            Entry(
                row["id"],
                row["source"],
                row["split"],
                int(row["width"]),
                int(row["height"]),
                row["sha256"],
            )
            for row in csv.DictReader(file, strict=True)
        ]
        if held != len(entries):
            raise ValueError(f"it lists {len(entries)} pictures, and the shards hold {held}")
    return entries


def meta(folder: Path) -> Meta:
    """What `fetch` noted of the folder.

    Raises:
        StageError: it is not there, or damaged.
    """
    with artifacts.reading(folder / META, folder):
        return Meta(**json.loads((folder / META).read_text(encoding="utf-8")))


def read(folder: Path) -> Iterator[RawPicture]:
    """The pictures that `write` wrote, in its order, a few megabytes in memory at a time.

    Raises:
        StageError: a shard is missing or damaged: each picture is compared with the index.
    """
    entries = iter(index(folder))
    for shard in _shards(folder):
        with artifacts.reading(shard, folder):
            for picture in _pictures(shard):
                entry = next(entries, None)
                listed = entry and (entry.id, entry.source, entry.sha256)
                found = picture.id, picture.source, hashlib.sha256(picture.data).hexdigest()
                if listed != found:
                    raise ValueError(f"{picture.id!r} in it is not what {INDEX} says")
                yield picture


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("pictures-*.parquet"))


def _pictures(shard: Path) -> Iterator[RawPicture]:
    with pq.ParquetFile(shard) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group).to_pylist():
                yield RawPicture(**row)


def skipped(folder: Path) -> list[tuple[str, str]]:
    """File and reason of every picture that was skipped because it could not be read.

    Raises:
        StageError: there is no such list, or it is damaged.
    """
    with (
        artifacts.reading(folder / SKIPPED, folder),
        (folder / SKIPPED).open(newline="", encoding="utf-8") as file,
    ):
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
        self._group: list[RawPicture] = []
        self._group_bytes = 0
        self._shard_bytes = 0

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._write_group()
        self._close_shard()

    def add(self, picture: RawPicture) -> None:
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
        self._group = []
        self._group_bytes = 0

    def _close_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self._shard_bytes = 0
