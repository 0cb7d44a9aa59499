"""The folder data/raw: encoded pictures as they came, in shards, with an index of them.

The shards are a few Parquet files, which DVC handles far faster than thousands of pictures.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.parallel import in_order
from pipeline.data.picture_source import RawPicture, Unreadable
from pipeline.stage import StageError, artifacts
from pipeline.stage.sections import Data
from srcnn.data.splits import split_of
from srcnn.pictures import images
from srcnn.pictures.samples import UnreadableImage

INDEX = "index.csv"
SKIPPED = "skipped.csv"
SHARD_BYTES = 128 * 2**20
GROUP_BYTES = 8 * 2**20  # encoded pictures in memory at a time

_SCHEMA = pa.schema(
    {"id": pa.string(), "source": pa.string(), "data": pa.large_binary(), "split": pa.string()}
)


@dataclass(frozen=True)
class Entry:
    """A picture as the index lists it; `sha256` is that of the encoded picture, in hex."""

    id: str
    source: str
    split: str
    width: int
    height: int
    sha256: str


_COLUMNS = [field.name for field in fields(Entry)]


def split(entry: Entry, data: Data) -> str:
    """What a picture serves for: what its source knows, else what data.split makes of its name."""
    return entry.split or split_of(entry.source, data.split.model_dump(), data.split_salt)


def write(
    arriving: Iterable[RawPicture | Unreadable],
    folder: Path,
    skip_unreadable: bool = False,
    grouped: bool = False,
    workers: int | None = None,
) -> int:
    """Check pictures by decoding them and write them, with index.csv and skipped.csv.

    Pictures of the same pixels, in whatever file, get one source, so that copies of a photograph
    never land in different splits. The same pictures give the same files, bit for bit.

    Args:
        arriving: in the order to keep; read one by one.
        folder: an existing, empty folder.
        skip_unreadable: skip and list pictures that cannot be decoded; else the first one stops.
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
    firsts: dict[str, Entry] = {}  # by their pixels
    entries: dict[str, Entry] = {}  # by their ids
    skipped: list[tuple[str, str]] = []

    def readable() -> Iterator[RawPicture]:
        for seen in in_order(_look_at, arriving, workers):
            if isinstance(seen, Unreadable):
                if not skip_unreadable:
                    raise StageError(
                        f"{seen.id} cannot be read: {seen.reason}. Repair or remove it, or set "
                        "data.skip_unreadable to true to skip and list such pictures"
                    )
                skipped.append((seen.id, seen.reason))
                continue
            picture, entry, pixels = seen
            if entry.id in entries:
                raise StageError(f"two pictures have the id {entry.id!r}; ids must be unique")
            first = firsts.setdefault(pixels, entry)
            if grouped and first.source != entry.source:
                raise StageError(
                    f"data.group_by puts {entry.id!r} into source {entry.source!r}, but it is the "
                    f"same picture as {first.id!r} of source {first.source!r}: remove one of them, "
                    "or choose a data.group_by that puts both into one source"
                )
            entries[entry.id] = replace(entry, source=first.source)
            yield replace(picture, source=first.source)

    _write_shards(readable(), folder)
    _write_table(folder / INDEX, _COLUMNS, map(astuple, entries.values()))
    _write_table(folder / SKIPPED, ("file", "reason"), sorted(skipped))
    return len(entries)


def _look_at(
    picture: RawPicture | Unreadable,
) -> tuple[RawPicture, Entry, str] | Unreadable:
    """A picture, how the index lists it, and a digest of its pixels, the same in any file."""
    if isinstance(picture, Unreadable):
        return picture
    try:
        gray = images.decode_luma(picture.data, "full")
    except UnreadableImage as error:
        return Unreadable(picture.id, str(error))
    # Whatever the file's format: networks only see the luma.
    pixels = hashlib.sha256(str(gray.shape).encode() + gray.tobytes()).hexdigest()[:16]
    height, width = gray.shape
    sha256 = hashlib.sha256(picture.data).hexdigest()
    source = picture.source or pixels
    return picture, Entry(picture.id, source, picture.split, width, height, sha256), pixels


def index(folder: Path) -> list[Entry]:
    """What `write` wrote, in its order.

    Raises:
        StageError: there is no index, it is damaged, or there are not as many pictures.
    """
    held = 0
    for shard in shards(folder):
        with artifacts.reading(shard, folder):
            held += pq.read_metadata(shard).num_rows
    with artifacts.reading(folder / INDEX, folder):
        entries = [
            Entry(**row | {"width": int(row["width"]), "height": int(row["height"])})
            for row in _rows(folder / INDEX)
        ]
        if held != len(entries):
            raise ValueError(f"it lists {len(entries)} pictures, and the shards hold {held}")
    return entries


def read(folder: Path) -> Iterator[RawPicture]:
    """The pictures that `write` wrote, in its order, a few megabytes in memory at a time.

    Raises:
        StageError: a shard is missing or damaged: each picture is compared with the index.
    """
    entries = iter(index(folder))
    for shard in shards(folder):
        with artifacts.reading(shard, folder):
            for picture in _pictures(shard):
                entry = next(entries, None)
                listed = entry and (entry.id, entry.source, entry.sha256)
                found = picture.id, picture.source, hashlib.sha256(picture.data).hexdigest()
                if listed != found:
                    raise ValueError(f"{picture.id!r} in it is not what {INDEX} says")
                yield picture


def skipped(folder: Path) -> list[tuple[str, str]]:
    """File and reason of every picture that was skipped because it could not be read.

    Raises:
        StageError: there is no such list, or it is damaged.
    """
    with artifacts.reading(folder / SKIPPED, folder):
        return [(row["file"], row["reason"]) for row in _rows(folder / SKIPPED)]


def shards(folder: Path) -> list[Path]:
    """The Parquet files of the pictures, in their order."""
    return sorted(folder.glob("pictures-*.parquet"))


def _pictures(shard: Path) -> Iterator[RawPicture]:
    with pq.ParquetFile(shard) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group).to_pylist():
                yield RawPicture(**row)


def _write_shards(arriving: Iterable[RawPicture], folder: Path) -> None:
    """Write shards of about SHARD_BYTES, in row groups of about GROUP_BYTES."""
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


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def _write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
