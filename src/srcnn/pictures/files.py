"""Picture files: which there are in a folder, and how one is written."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# The format that an output's suffix names.
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
SUFFIXES = (*FORMATS, ".bmp", ".heic", ".heif")  # of what is read


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say what there is no room for: the error of a write does not."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from None


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write and read, which appears after the block, if that does not fail.

    Raises:
        OSError: the file cannot be written, which the error names; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with naming(path), partial.open("w+b") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def below(root: Path) -> Iterator[Path]:
    """All files of a folder and of those in it, but for hidden folders, in no order.

    Links to folders are followed. Each real folder counts once, so that links may loop.

    Raises:
        OSError: a folder cannot be listed.
    """
    real_root = root.resolve()
    seen = {real_root}

    def stop(error: OSError) -> None:
        raise error

    def is_new(folder: Path) -> bool:
        real = folder.resolve()
        if real in seen or (folder.is_symlink() and real.is_relative_to(real_root)):
            return False  # what lies below root has a name without the link
        seen.add(real)
        return True

    for folder, folders, files in os.walk(root, onerror=stop, followlinks=True):
        folders[:] = [
            name for name in sorted(folders) if name[0] != "." and is_new(Path(folder, name))
        ]
        yield from (Path(folder, name) for name in files)
