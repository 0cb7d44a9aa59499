"""Which pictures are enlarged, and into which files; nothing is written here."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from srcnn.pictures import files
from srcnn.pictures.files import FORMATS


@dataclass(frozen=True)
class Job:
    """A picture and the file to write."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """What a command has to do.

    Attributes:
        jobs: what is missing.
        kept: how many results exist already.
        others: how many files in folders are no pictures, by suffix.
    """

    jobs: list[Job]
    kept: int
    others: Counter[str]


def plan(
    arguments: Sequence[str], output: str | None, ending: Callable[[], str], overwrite: bool
) -> Plan:
    """What has to be written.

    Args:
        arguments: pictures, and folders with those in them and below; none of `output`'s, where
            an earlier run wrote.
        output: for one picture its file; or a folder, which is one that exists, ends with a slash
            or has no suffix; for several, or a folder, always a folder. None for NAME_x4.png beside
            each picture and NAME_x4/ beside each folder.
        ending: gives that _x4; asked only where results are named after it.
        overwrite: results that exist may be replaced, though never a source. Else they are kept, so
            that a command that was interrupted goes on where it was.

    Raises:
        ValueError: an argument names nothing, or no picture; a result that cannot be, that is a
            source, or the one file that `output` names and that exists.
        OSError: a folder cannot be listed.
    """
    others: Counter[str] = Counter()
    excluded = None if output is None else Path(output).resolve()
    sources = {path: _pictures(path, excluded, others) for path in map(Path, arguments)}
    jobs = list(dict.fromkeys(_jobs(sources, output, ending)))
    if not overwrite:  # *.png finds the last run's results, too
        results = {job.target for job in jobs if job.target != job.source}
        jobs = [job for job in jobs if job.source not in results]
    _check(jobs)
    missing = [job for job in jobs if overwrite or not job.target.exists()]
    if jobs and not missing and output is not None and jobs[0].target == Path(output):
        raise ValueError(f"{output} exists already; --overwrite replaces it")
    return Plan(missing, len(jobs) - len(missing), others)


def listed(others: Counter[str]) -> str:
    """Files that are no pictures, as one reads them: 12 .cr2, 1 .txt."""
    return ", ".join(f"{count} {suffix}" for suffix, count in others.most_common())


def _pictures(path: Path, excluded: Path | None, others: Counter[str]) -> list[Path]:
    """The picture, or those of the folder, without hidden ones."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"{path}: no such file or folder")
    if path.resolve() == excluded:
        raise ValueError(f"the output is {path}, the source itself; name another folder")
    pictures, left = [], Counter[str]()
    for file in sorted(files.below(path)):
        if file.name.startswith(".") or (
            excluded and file.parent.resolve().is_relative_to(excluded)
        ):
            continue
        if file.suffix.lower() in files.SUFFIXES and file.is_file():
            pictures.append(file)
        else:
            left[file.suffix.lower() or "without a suffix"] += 1
    if not pictures:
        but = f", but {listed(left)}" if left else ""
        raise ValueError(f"{path} holds no picture ({', '.join(files.SUFFIXES)}){but}")
    others.update(left)
    return pictures


def _jobs(
    sources: Mapping[Path, Sequence[Path]], output: str | None, ending: Callable[[], str]
) -> Iterator[Job]:
    """Each picture with the file of its enlargement."""
    if output is None:
        for path, pictures in sources.items():
            if path.is_file():
                yield Job(path, path.with_name(f"{path.stem}{ending()}.png"))
            else:
                folder = _named(path).with_name(_named(path).name + ending())
                yield from _within(folder, path, pictures)
        return
    place = Path(output)
    several = len(sources) > 1 or any(path.is_dir() for path in sources)
    if not several and place.suffix and not place.is_dir() and not output.endswith(("/", os.sep)):
        yield from (Job(path, place) for path in sources)
        return
    if place.is_file() or (place.suffix.lower() in FORMATS and not place.is_dir()):
        raise ValueError(
            f"the output is {output}, a file; several pictures, or a folder, go into a folder"
        )
    for path, pictures in sources.items():
        if path.is_file():
            yield Job(path, _writable(place / path.name))
        else:
            folder = place / _named(path).name if len(sources) > 1 else place
            yield from _within(folder, path, pictures)


def _within(folder: Path, source: Path, pictures: Sequence[Path]) -> Iterator[Job]:
    """A folder's pictures under their names in another."""
    return (Job(picture, _writable(folder / picture.relative_to(source))) for picture in pictures)


def _named(path: Path) -> Path:
    """The path with a name at its end, which . and .. are not."""
    return path if path.name not in ("", "..") else path.resolve()


def _writable(path: Path) -> Path:
    """The path, or that of a PNG for what is only read."""
    known = path.suffix.lower() in FORMATS
    return path if known else path.with_name(f"{path.name}.png")  # a.png may be there as well


def _check(jobs: Sequence[Job]) -> None:
    """Raise a ValueError where a result cannot be, or is a source."""
    counts = Counter(job.target for job in jobs)
    sources = {job.source.resolve() for job in jobs}
    for target, count in counts.items():
        if count > 1:
            raise ValueError(f"two outputs would be {target}")
        if target.suffix.lower() not in FORMATS:
            raise ValueError(
                f"{target}: the suffix names the format, one of {', '.join(FORMATS)}; a new "
                "folder is named without a suffix, or with a / at its end"
            )
        if target.resolve() in sources:
            raise ValueError(f"the output {target} is an input, which is never overwritten")
