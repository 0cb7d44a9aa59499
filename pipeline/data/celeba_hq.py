"""CelebA-HQ at 256 x 256 from the Hugging Face hub, through its own clients."""

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.data.grouping import Grouping, grouping
from pipeline.data.picture_source import PictureSource, RawPicture, Unreadable
from pipeline.stage import StageError
from pipeline.stage.sections import Data
from srcnn.masking import brief, masked

REPO = "eurecom-ds/celeba-hq-256"
PICTURES = 30_000
TIMEOUT = 5  # seconds for the hub to answer at all; without a network nobody should wait longer

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
    import datasets
    import huggingface_hub

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
        huggingface_hub.utils.disable_progress_bars()
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        folder: Path | None = _cached(data.revision)
    else:
        commit = _resolve(data.revision)
        folder = _download(data.revision) if data.limit is None else None
    if folder is not None:
        rows, commit = _rows(str(folder), None, data.limit), folder.name
    else:
        rows = _rows(REPO, commit, data.limit)
    return PictureSource(_pictures(rows, grouping(data.grouping)), data.limit or PICTURES, commit)


def find(revision: str) -> None:
    """Raise a StageError unless the hub, or offline the local cache, has the revision."""
    from huggingface_hub import constants

    (_cached if constants.HF_HUB_OFFLINE else _resolve)(revision)


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

    try:
        commit = HfApi().dataset_info(REPO, revision=revision, timeout=TIMEOUT).sha
    except errors.RevisionNotFoundError:
        raise StageError(
            f"data.revision is {revision!r}, which {REPO} does not have; it must be one of its "
            "branches, tags or commits, such as 'main'"
        ) from None
    except Exception as error:  # every layer below (hub, HTTP, TLS, DNS) has its own
        raise StageError(
            f"{REPO} cannot be reached at {masked(constants.ENDPOINT)}: {_named(error)}. {WAYS_ON}"
        ) from error
    return str(commit)


def _download(revision: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(REPO, repo_type="dataset", revision=revision))
    except Exception as error:
        raise StageError(
            f"{REPO}: the download broke off: {_named(error)}; complete files are kept. {WAYS_ON}"
        ) from error


def _cached(revision: str) -> Path:
    from huggingface_hub import errors, get_cached_repo_tree, snapshot_download

    try:
        # The cache says that a snapshot is whole only if it also knows the list of its files.
        get_cached_repo_tree(REPO, repo_type="dataset", revision=revision)
        return Path(
            snapshot_download(REPO, repo_type="dataset", revision=revision, local_files_only=True)
        )
    except (errors.CachedRepoTreeNotFoundError, OSError) as error:
        raise StageError(
            f"{REPO} cannot be reached: HF_HUB_OFFLINE is set, and revision {revision!r} is not "
            f"whole in the local cache. {WAYS_ON}"
        ) from error


def _pictures(
    rows: Iterator[Mapping[str, Any] | None], source_of: Grouping
) -> Iterator[RawPicture | Unreadable]:
    for number, row in enumerate(rows):
        name = _name(number)
        if data := row and row["bytes"]:
            yield RawPicture(name, source_of(name) or name, data)
        else:
            yield Unreadable(name, f"row {number} of {REPO} holds no picture")


def _rows(path: str, commit: str | None, limit: int | None) -> Iterator[Mapping[str, Any] | None]:
    """What the column `image` holds: a file under "bytes", or nothing there, or nothing at all."""
    import datasets

    # Each of these is a series of retries of the layer below, about 25 s: its default of 20 would
    # keep a user waiting for ten minutes after the network is gone.
    datasets.config.STREAMING_READ_MAX_RETRIES = 3
    try:
        rows: Any = datasets.load_dataset(path, revision=commit, split="train", streaming=True)
        rows = rows.select_columns("image").cast_column("image", datasets.Image(decode=False))
        for row in islice(rows, limit):
            yield row["image"]
    except Exception as error:
        raise StageError(f"{REPO}: reading broke off: {_named(error)}. {WAYS_ON}") from error


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {brief(error)}"
