"""Pictures of a folder and its sub-folders."""

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline import stage
from pipeline.params import Data
from pipeline.raw import Picture, Unreadable
from pipeline.sources.source import Source

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def open_source(data: Data, unreadable: Unreadable) -> Source:
    """Files with a picture's suffix, hidden ones left out; ids are paths below the folder.

    Raises:
        StageError: data.path is not a folder, or there is no picture in it.
    """
    if not data.path:
        raise stage.StageError("data.path must name a folder when data.source is 'folder'")
    root = stage.resolve(data.path)
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise stage.StageError(f"data.path is {data.path!r}, but {root} {what}")
    names = _names(root)[: data.limit]
    if not names:
        raise stage.StageError(
            f"data.path is {data.path!r}, but {root} holds no picture ({' '.join(SUFFIXES)})"
        )
    return Source(_read(root, names, unreadable), len(names))


def _names(root: Path) -> list[str]:
    def stop(error: OSError) -> None:
        raise stage.StageError(f"data.path: {error.filename} cannot be listed: {error.strerror}")

    found = []
    for folder, folders, files in os.walk(root, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(folder, name).relative_to(root).as_posix()
            for name in files
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return sorted(found)


def _read(root: Path, names: list[str], unreadable: Unreadable) -> Iterator[Picture]:
    for name in names:
        try:
            name.encode()
            data = (root / name).read_bytes()
        except UnicodeEncodeError:
            unreadable.add(ascii(name), "its name is not UTF-8")
        except OSError as error:
            unreadable.add(name, error.strerror)
        else:
            yield Picture(name, name, data)
