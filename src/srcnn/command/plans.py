"""Which pictures are enlarged, and into which files; nothing is written here."""

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from srcnn.pictures import reader

_SUFFIXES = ", ".join(reader.SUFFIXES)


class BadRequest(ValueError):
    """The files asked for cannot be enlarged to where they are asked to go."""


@dataclass(frozen=True)
class Source:
    """An argument of the command: a picture, or a folder with those in it and below.

    Attributes:
        path: the picture or the folder.
        pictures: the one, or all of the folder.
        others: how many files of the folder are no pictures, or hidden.
    """

    path: Path
    pictures: list[Path]
    others: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.pictures != [self.path]


@dataclass(frozen=True)
class Job:
    """A picture and the files to write: its enlargement, and the comparison with bicubic.

    Either is None where it is not wanted, or there already.
    """

    source: Path
    target: Path | None
    comparison: Path | None = None


@dataclass
class Plan:
    """What a command has to do.

    Attributes:
        jobs: what is missing.
        there: how many pictures have their outputs already.
        others: how many files were left alone, as they are no pictures.
    """

    jobs: list[Job] = field(default_factory=list)
    there: int = 0
    others: int = 0


def find(arguments: Sequence[str], output: str | None) -> list[Source]:
    """The pictures that the command's arguments name.

    Args:
        arguments: files, folders, and patterns of file names (*, ?, [], and ** for folders below)
            that the shell left as they are. Folders and patterns give what has a picture's suffix.
        output: a folder in which nothing is looked for: an earlier run wrote there.

    Raises:
        BadRequest: an argument names nothing, or no picture.
    """
    sources = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            sources.append(_folder(path, output))
        elif path.is_file():
            sources.append(Source(path, [path]))
        else:
            sources += _matches(argument)
    return sources


def plan(
    sources: Sequence[Source],
    output: str | None,
    scale: Callable[[], int],
    compare: bool,
    overwrite: bool,
) -> Plan:
    """What has to be written.

    Args:
        sources: from `find`.
        output: for one picture its file; or a folder, which is one that exists, ends with a slash
            or has no suffix; for several, or a folder, always a folder. None for NAME_x4.png beside
            each picture and NAME_x4/ beside each folder.
        scale: gives the enlargement; asked only where outputs are named after it.
        compare: also write NAME_compare.png beside each output: bicubic left, SR right.
        overwrite: files that exist may be replaced, though never a source. Else they are kept, so
            that a command that was interrupted goes on where it was.

    Raises:
        BadRequest: an output that cannot be, that is a source, or the one file that `output`
            names and that exists.
    """
    pairs = list(dict.fromkeys(_pairs(sources, output, scale)))
    jobs = [
        Job(path, target, target.with_name(f"{target.stem}_compare.png") if compare else None)
        for path, target in pairs
    ]
    if len(sources) > 1 and not overwrite:
        made = {path for job in jobs for path in (job.target, job.comparison)}
        jobs = [job for job in jobs if job.source not in made]  # *.png finds the last run's, too
    existing = _check(jobs)
    named = len(jobs) == 1 and output is not None and jobs[0].target == Path(output)
    if existing and named and not overwrite:
        raise BadRequest(f"{existing[0]} exists already; --overwrite replaces it")
    kept = set() if overwrite else set(existing)
    todo = [
        Job(job.source, *(None if path in kept else path for path in (job.target, job.comparison)))
        for job in jobs
    ]
    missing = [job for job in todo if job.target or job.comparison]
    return Plan(missing, len(jobs) - len(missing), sum(source.others for source in sources))


def _folder(folder: Path, output: str | None) -> Source:
    excluded = Path(output).resolve() if output is not None else None
    if excluded == folder.resolve():
        raise BadRequest(f"the output is {output}, the source itself; name another folder")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if (path.is_file() or path.is_symlink())
        and not (excluded and path.parent.resolve().is_relative_to(excluded))
    ]
    pictures = [path for path in files if _is_picture(path, folder)]
    if not pictures:
        raise BadRequest(f"{folder} holds no picture ({_SUFFIXES})")
    return Source(folder, pictures, len(files) - len(pictures))


def _is_picture(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in reader.SUFFIXES and path.is_file() and not hidden


def _matches(pattern: str) -> list[Source]:
    if not glob.has_magic(pattern):
        raise BadRequest(f"{pattern}: no such file or folder")
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # absolute ones, too
    files = [path for path in map(Path, names) if path.is_file()]
    pictures = [path for path in files if path.suffix.lower() in reader.SUFFIXES]
    if not pictures:
        raise BadRequest(f"{pattern}: no picture has such a name ({_SUFFIXES})")
    first, *more = pictures
    left_alone = len(files) - len(pictures)
    return [Source(first, [first], left_alone), *(Source(path, [path]) for path in more)]


def _pairs(
    sources: Sequence[Source], output: str | None, scale: Callable[[], int]
) -> list[tuple[Path, Path]]:
    """Each picture with the file of its enlargement."""
    if output is None:
        return [pair for source in sources for pair in _beside(source, scale())]
    place = Path(output)
    several = len(sources) > 1
    if not several and not sources[0].is_folder:
        picture = sources[0].path
        is_folder = place.is_dir() or output.endswith(("/", os.sep)) or not place.suffix
        return [(picture, place / picture.name if is_folder else place)]
    if place.is_file() or (place.suffix.lower() in reader.SUFFIXES and not place.is_dir()):
        raise BadRequest(
            f"the output is {output}, a picture; several pictures, or a folder, go into a folder"
        )
    return [
        (
            path,
            place / (_named(source.path).name if several else "") / path.relative_to(source.path),
        )
        for source in sources
        for path in source.pictures
    ]


def _beside(source: Source, scale: int) -> list[tuple[Path, Path]]:
    if not source.is_folder:
        return [(source.path, source.path.with_name(f"{source.path.stem}_x{scale}.png"))]
    own = _named(source.path)
    folder = own.with_name(f"{own.name}_x{scale}")
    return [(path, folder / path.relative_to(source.path)) for path in source.pictures]


def _named(path: Path) -> Path:
    """The path with a name at its end, which . and .. are not."""
    return path if path.name not in ("", "..") else path.resolve()


def _check(jobs: Sequence[Job]) -> list[Path]:
    """The outputs that exist; raises a BadRequest where one cannot be, or is a source."""
    sources = {_identity(job.source) for job in jobs}
    targets = [path for job in jobs for path in (job.target, job.comparison) if path]
    if len(set(targets)) < len(targets):
        twice = next(path for path in targets if targets.count(path) > 1)
        raise BadRequest(f"two outputs would be {twice}")
    for path in targets:
        if path.suffix.lower() not in reader.SUFFIXES:
            raise BadRequest(
                f"{path}: the suffix names the format, one of {_SUFFIXES}; a new folder is named "
                "without a suffix, or with a / at its end"
            )
    existing = [path for path in targets if path.exists()]
    for path in existing:
        if _identity(path) in sources:
            raise BadRequest(f"the output {path} is an input, which is never overwritten")
        if path.is_dir():
            raise BadRequest(f"the output {path} is a folder")
    above = {part for path in targets for part in path.parents}
    for part in sorted(above):
        if part.exists() and not part.is_dir():
            raise BadRequest(f"{part} is a file, so that no output can be in it")
    return existing


def _identity(path: Path) -> tuple[int, int]:
    """The file itself, by whatever name or link."""
    status = path.stat()
    return status.st_dev, status.st_ino
