"""Pictures of a folder and its sub-folders."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline import stage
from pipeline.data.picture_files import SUFFIXES, name_problem, originals
from pipeline.data.raw import RawPicture, Unreadable
from pipeline.data.source import Source
from pipeline.stage.sections import Data
from srcnn.pictures import files


def open_source(data: Data, unreadable: Unreadable) -> Source:
    """The originals among the folder's pictures; ids are paths below the folder.

    Links to folders are followed, each real folder once. With a limit, every source's first
    picture comes before any second one, so that few pictures are of many sources.

    Raises:
        StageError: data.path is not a folder, there is no picture in it, or data.group_by finds no
            source in a name.
    """
    chosen = choose(data)
    return Source(_read(find_root(data), chosen, unreadable), len(chosen))


def choose(data: Data) -> dict[str, str | None]:
    """The names of the pictures to take, each with its source; None: its pixels will name it.

    Raises:
        StageError: as for `open_source`.
    """
    root = find_root(data)
    names = _names(root)
    if not names:
        raise stage.StageError(
            f"data.path is {data.path!r}, but {root} holds no picture ({' '.join(SUFFIXES)})"
        )
    sources = {name: _source(name, data.group_by) for name in names}
    return _of_many_sources(sources, data.limit)


def find_root(data: Data) -> Path:
    """The folder that data.path names.

    Raises:
        StageError: it is not a folder.
    """
    if not data.path:
        raise stage.StageError("data.path must name a folder when data.source is 'folder'")
    root = stage.resolve(data.path)
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise stage.StageError(f"data.path is {data.path!r}, but {root} {what}")
    return root


def _names(root: Path) -> list[str]:
    """Paths of the originals below root."""
    try:
        found = [path.relative_to(root).as_posix() for path in files.below(root)]
    except OSError as error:
        raise stage.StageError(
            f"data.path: {error.filename} cannot be listed: {error.strerror}"
        ) from None
    return originals(found, "data.path")


def _source(name: str, group_by: str | None) -> str | None:
    """The source that data.group_by finds in a name; None: the picture is its own."""
    if group_by is None:
        return None
    source: str | None
    if group_by == "folder":
        source = name.rpartition("/")[0]
        problem = f"{name!r} is in none"
    else:
        match = re.search(group_by, name)
        source = match[1 if match.re.groups else 0] if match else None
        problem = f"it finds nothing in {name!r}"
    if not source:
        raise stage.StageError(
            f"data.group_by is {group_by!r}, but {problem}; every picture must belong to a source"
        )
    return source


def _of_many_sources(sources: Mapping[str, str | None], limit: int | None) -> dict[str, str | None]:
    """At most `limit` of the names with their sources, of as many sources as there can be."""
    counted: Counter[str] = Counter()
    rank = {}
    for name, source in sources.items():
        rank[name] = counted[source or name]
        counted[source or name] += 1
    return {name: sources[name] for name in sorted(sorted(sources, key=rank.__getitem__)[:limit])}


def _read(
    root: Path, sources: Mapping[str, str | None], unreadable: Unreadable
) -> Iterator[RawPicture]:
    for name, source in sources.items():
        if problem := name_problem(name):
            unreadable.add(ascii(name), problem)
            continue
        try:
            data = (root / name).read_bytes()
        except OSError as error:
            unreadable.add(name, error.strerror)
        else:
            yield RawPicture(name, source, data)
