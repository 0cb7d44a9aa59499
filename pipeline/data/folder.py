"""Pictures of a folder and its sub-folders."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.data import picture_files
from pipeline.data.grouping import grouping
from pipeline.data.picture_source import PictureSource, RawPicture, Unreadable
from pipeline.stage.sections import Data
from srcnn.pictures import files


def open_source(data: Data) -> PictureSource:
    """The originals among the folder's pictures; ids are paths below the folder.

    Links to folders are followed, each real folder once. With a limit, every source's first
    picture comes before any second one, so that few pictures are of many sources.

    Raises:
        StageError: data.path is not a folder, there is no picture in it, or data.group_by finds no
            source of one.
    """
    root, chosen = choose(data)
    return PictureSource(_read(root, chosen), len(chosen))


def choose(data: Data) -> tuple[Path, dict[str, str | None]]:
    """The folder, and the names of the pictures to take there, each with its source.

    A source that is None will be named by the picture's pixels.

    Raises:
        StageError: as for `open_source`.
    """
    root, names = picture_files.find(data.path or "", "data.path", files.below)
    source_of = grouping(data.grouping)
    sources = {name: source_of(name) for name in names}
    return root, _of_many_sources(sources, data.limit)


def _of_many_sources(sources: Mapping[str, str | None], limit: int | None) -> dict[str, str | None]:
    """At most `limit` of the names with their sources, of as many sources as there can be."""
    counted: Counter[str] = Counter()
    rank = {}
    for name, source in sources.items():
        rank[name] = counted[source or name]
        counted[source or name] += 1
    return {name: sources[name] for name in sorted(sorted(sources, key=rank.__getitem__)[:limit])}


def _read(root: Path, sources: Mapping[str, str | None]) -> Iterator[RawPicture | Unreadable]:
    for name, source in sources.items():
        if problem := picture_files.name_problem(name):
            yield Unreadable(ascii(name), problem)
            continue
        try:
            yield RawPicture(name, source, (root / name).read_bytes())
        except OSError as error:
            yield Unreadable(name, error.strerror or str(error))
