"""The folder of a page's temporary files: uploads, results, downloaded models.

It goes when the page ends. What ends without a word (a kill, a crash) leaves it, and a lock in it
that nobody holds: the next page removes it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX, _LOCK = "srcnn-demo-", "lock"
_SECONDS_TO_LOCK = 60  # a folder younger than that may be about to be locked


@contextmanager
def folder() -> Iterator[Path]:
    """Where all temporary files of this process are, until the block ends."""
    outside = tempfile.gettempdir()
    _remove_abandoned(Path(outside))
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as made,
        FileLock(Path(made) / _LOCK),
    ):
        tempfile.tempdir = made
        try:
            yield Path(made)
        finally:
            tempfile.tempdir = outside


def files(folder: Path) -> Iterator[Path]:
    """All files in and below a folder, while others make and remove some."""
    for parent, _, names in os.walk(folder):  # Path.rglob fails where a folder goes meanwhile
        yield from (Path(parent, name) for name in names)


def remove_oldest(folder: Path, size: int, kept: Collection[Path]) -> None:
    """Remove a folder's oldest files, so that all but the `kept` have at most `size` bytes."""
    ages: list[tuple[float, int, Path]] = []
    for path in files(folder):
        with suppress(FileNotFoundError):
            if path not in kept:
                found = path.stat()
                ages.append((found.st_mtime, found.st_size, path))
    for _, file_size, path in sorted(ages, reverse=True):
        size -= file_size
        if size < 0:
            path.unlink(missing_ok=True)


def _remove_abandoned(root: Path) -> None:
    for path in root.glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):  # of somebody else, or in use
            if path.is_symlink() or time.time() - path.stat().st_mtime < _SECONDS_TO_LOCK:
                continue
            with FileLock(path / _LOCK, timeout=0):
                shutil.rmtree(path, ignore_errors=True)
