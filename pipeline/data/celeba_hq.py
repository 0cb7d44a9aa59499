"""CelebA-HQ at 256 x 256 from the Hugging Face hub, through its own client."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from pipeline.data.grouping import grouping
from pipeline.data.picture_source import PictureSource, RawPicture, Unreadable
from pipeline.stage import StageError
from pipeline.stage.sections import Data
from srcnn.masking import brief, masked

if TYPE_CHECKING:
    from huggingface_hub import HfFileSystem

REPO = "eurecom-ds/celeba-hq-256"
PICTURES = 30_000
TIMEOUT = 5  # seconds for the hub to answer at all; without a network nobody should wait longer

_SHARDS = "**/train*.parquet"  # as the hub names the files of a split

WAYS_ON = (
    "Three ways on: try again when connected; or put pictures in a folder and set data.source to "
    "'folder' and data.path to it; or set data.source to 'samples', which needs no network"
)


def open_source(data: Data) -> PictureSource:
    """The portraits in the hub's order, encoded as they came; ids are row numbers.

    With a limit the rows are streamed, so only about as much as they need is downloaded. Without,
    the whole set is downloaded into the hub's cache, where an interrupted download continues.
    With HF_HUB_OFFLINE=1 a set that is whole in that cache is used.

    Raises:
        StageError: the hub or the revision cannot be reached, or the download breaks off.
    """
    from huggingface_hub import HfFileSystem, constants, utils

    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    hub = None
    if constants.HF_HUB_OFFLINE or data.limit is None:
        folder = _snapshot(data.revision)
        commit = folder.name
        shards = sorted(map(str, folder.glob(_SHARDS)))
    else:
        commit = _resolve(data.revision)
        hub = HfFileSystem()
        with _one_error("reading broke off"):
            shards = sorted(hub.glob(f"datasets/{REPO}@{commit}/{_SHARDS}"))
    of_rows = sources(data)
    return PictureSource(_pictures(of_rows, _rows(shards, hub)), len(of_rows), commit)


def find(revision: str) -> None:
    """Raise a StageError unless the hub, or offline the local cache, has the revision."""
    from huggingface_hub import constants

    (_snapshot if constants.HF_HUB_OFFLINE else _resolve)(revision)


def sources(data: Data) -> list[str]:
    """The sources of the rows, known without reading any: each its own without data.group_by.

    Raises:
        StageError: data.group_by finds no source of one.
    """
    source_of = grouping(data.grouping)
    names = map(_name, range(data.limit or PICTURES))
    return [source_of(name) or name for name in names]


def _name(row: int) -> str:
    return f"celeba-hq/{row:05d}"


def _resolve(revision: str) -> str:
    """The commit that a branch, tag or commit means, asked first so that no network shows fast."""
    from huggingface_hub import HfApi, constants, errors

    with _one_error(f"it cannot be reached at {masked(constants.ENDPOINT)}"):
        try:
            return str(HfApi().dataset_info(REPO, revision=revision, timeout=TIMEOUT).sha)
        except errors.RevisionNotFoundError:
            raise StageError(
                f"data.revision is {revision!r}, which {REPO} does not have; it must be one of its "
                "branches, tags or commits, such as 'main'"
            ) from None


def _snapshot(revision: str) -> Path:
    """The folder of the whole set in the hub's cache, downloaded unless offline."""
    from huggingface_hub import constants, get_cached_repo_tree, snapshot_download

    problem = "the download broke off; complete files are kept"
    if constants.HF_HUB_OFFLINE:
        problem = f"HF_HUB_OFFLINE is set, and revision {revision!r} is not whole in the cache"
    with _one_error(problem):
        if constants.HF_HUB_OFFLINE:
            # A snapshot is known to be whole only if the cache also has the list of its files.
            get_cached_repo_tree(REPO, repo_type="dataset", revision=revision)
        return Path(snapshot_download(REPO, repo_type="dataset", revision=revision))


def _rows(shards: Iterable[str], hub: "HfFileSystem | None") -> Iterator[Mapping[str, Any] | None]:
    """What the column `image` holds: a file under "bytes", or nothing there, or nothing at all."""
    with _one_error("reading broke off"):
        for name in shards:
            with pq.ParquetFile(name, filesystem=hub) as shard:
                for batch in shard.iter_batches(16, columns=["image"]):
                    yield from batch.column("image").to_pylist()


def _pictures(
    of_rows: Iterable[str], rows: Iterable[Mapping[str, Any] | None]
) -> Iterator[RawPicture | Unreadable]:
    """A picture for each source, as far as there are rows."""
    for number, (source, row) in enumerate(zip(of_rows, rows, strict=False)):
        name = _name(number)
        if content := row and row["bytes"]:
            yield RawPicture(name, source, content)
        else:
            yield Unreadable(name, f"row {number} of {REPO} holds no picture")


@contextmanager
def _one_error(problem: str) -> Iterator[None]:
    """Whatever a layer below (hub, HTTP, TLS, DNS, Parquet) raises, as a StageError."""
    try:
        yield
    except StageError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {brief(error)}"
        raise StageError(f"{REPO}: {problem}: {reason}. {WAYS_ON}") from error
