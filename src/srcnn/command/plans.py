"""Which pictures are enlarged, and into which files; nothing is written here."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from srcnn.pictures import files, reader, writers

_NAMED = 6  # kinds of other files in a line
_SPECIAL = ("pipe", "socket", "device", "broken link")


class BadRequest(ValueError):
    """The files asked for cannot be enlarged to where they are asked to go."""


@dataclass(frozen=True)
class Source:
    """An argument of the command: a picture, or a folder with those in it and below.

    Attributes:
        path: the picture or the folder.
        pictures: those to enlarge: the one, or those of the folder.
        is_folder: whether it is a folder.
    """

    path: Path
    pictures: list[Path]
    is_folder: bool = False


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
    """

    jobs: list[Job] = field(default_factory=list)
    there: int = 0


def find(arguments: Sequence[str], output: str | None) -> tuple[list[Source], Counter[str]]:
    """The pictures that the command's arguments name, and how many files are left alone.

    Pictures that an earlier run made are left alone beside others.

    Args:
        arguments: files, folders, and patterns of file names (*, ?, [], and ** for folders below)
            that the shell left as they are. Folders and patterns give what has a picture's suffix.
        output: a folder in which nothing is looked for: an earlier run wrote there.

    Returns:
        The sources, and the numbers of other files by their kind, such as a suffix.

    Raises:
        BadRequest: an argument names nothing, or no picture.
        OSError: a folder cannot be listed.
    """
    sources = []
    others: Counter[str] = Counter()
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            sources.append(_folder(path, output, others))
        elif path.is_file():
            sources.append(Source(path, [path]))
        elif kind := _special(path):
            raise BadRequest(f"{argument} is a {kind}; pictures are read from files and folders")
        else:
            sources += _matches(argument, others)
    return _originals(sources, others), others


def listed(others: Counter[str]) -> str:
    """Other files as one reads them: 12 .heic, 1 .bmp."""
    named = others.most_common(_NAMED)
    kinds = [f"{n} {kind}{'s' if n > 1 and kind in _SPECIAL else ''}" for kind, n in named]
    more = others.total() - sum(n for _, n in named)
    return ", ".join([*kinds, f"{more} more"] if more else kinds)


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
    return Plan(missing, len(jobs) - len(missing))


def _folder(folder: Path, output: str | None, others: Counter[str]) -> Source:
    excluded = Path(output).resolve() if output is not None else None
    if excluded == folder.resolve():
        raise BadRequest(f"the output is {output}, the source itself; name another folder")
    found = [
        path
        for path in sorted(files.below(folder))
        if not (excluded and path.parent.resolve().is_relative_to(excluded))
    ]
    kinds = {path: "hidden" if path.name.startswith(".") else _other(path) for path in found}
    left = Counter(kind for kind in kinds.values() if kind)
    pictures = [path for path, kind in kinds.items() if not kind]
    if not pictures:
        but = f", but {listed(left)}" if left else ""
        raise BadRequest(f"{folder} holds no picture ({', '.join(files.SUFFIXES)}){but}")
    others.update(left)
    return Source(folder, pictures, is_folder=True)


def _other(path: Path) -> str | None:
    """Of what kind a file is that is not taken for a picture."""
    suffix = path.suffix.lower()
    if not path.is_file():
        return _special(path)
    return None if suffix in files.SUFFIXES else suffix or "without a suffix"


def _special(path: Path) -> str | None:
    """What exists without being a file or a folder."""
    checks = (
        path.is_fifo(),
        path.is_socket(),
        path.is_char_device() or path.is_block_device(),
        path.is_symlink() and not path.exists(),
    )
    return next((kind for kind, yes in zip(_SPECIAL, checks, strict=True) if yes), None)


def _matches(pattern: str, others: Counter[str]) -> list[Source]:
    if not glob.has_magic(pattern):
        raise BadRequest(f"{pattern}: no such file or folder")
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # absolute ones, too
    kinds = {path: _other(path) for path in map(Path, names) if not path.is_dir()}
    pictures = [path for path, kind in kinds.items() if not kind]
    if not pictures:
        suffixes = ", ".join(files.SUFFIXES)
        raise BadRequest(f"{pattern}: no picture has such a name ({suffixes})")
    others.update(kind for kind in kinds.values() if kind)
    return [Source(path, [path]) for path in pictures]


def _originals(sources: Sequence[Source], others: Counter[str]) -> list[Source]:
    """The sources without what this command made; if that is all there is, it is meant."""
    pictures = [path for source in sources for path in source.pictures]
    products = {path for path in pictures if len(pictures) > 1 and reader.is_product(path)}
    if not products or products.issuperset(pictures):
        return list(sources)
    others["made by srcnn"] = len(products)
    return [
        replace(source, pictures=[path for path in source.pictures if path not in products])
        for source in sources
    ]


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
        return [(picture, _writable(place / picture.name) if is_folder else place)]
    if place.is_file() or (place.suffix.lower() in writers.FORMATS and not place.is_dir()):
        raise BadRequest(
            f"the output is {output}, a picture; several pictures, or a folder, go into a folder"
        )
    folders = [place / _named(source.path).name if several else place for source in sources]
    return [
        (path, _writable(folder / path.relative_to(source.path)))
        for source, folder in zip(sources, folders, strict=True)
        for path in source.pictures
    ]


def _beside(source: Source, scale: int) -> list[tuple[Path, Path]]:
    if not source.is_folder:
        return [(path, path.with_name(f"{path.stem}_x{scale}.png")) for path in source.pictures]
    own = _named(source.path)
    folder = own.with_name(f"{own.name}_x{scale}")
    return [(path, _writable(folder / path.relative_to(source.path))) for path in source.pictures]


def _writable(path: Path) -> Path:
    """The path, or that of a PNG for what is only read."""
    known = path.suffix.lower() in writers.FORMATS
    return path if known else path.with_name(f"{path.name}.png")  # a.png may be there as well


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
        if path.suffix.lower() not in writers.FORMATS:
            raise BadRequest(
                f"{path}: the suffix names the format, one of {', '.join(writers.FORMATS)}; a new "
                "folder is named without a suffix, or with a / at its end"
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
