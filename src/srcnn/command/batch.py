"""Picture files and whole folders of them, enlarged."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from srcnn.pictures import reader, writers

if TYPE_CHECKING:  # wrong file names are told before PyTorch's seconds of import
    from srcnn.upscaling import Upscaler

# Between the halves of a before/after picture, in pixels.
_GAP = 8


class BadRequest(ValueError):
    """The files asked for cannot be enlarged to where they are asked to go."""


@dataclass(frozen=True)
class Job:
    """A picture and where its enlargement, and the comparison with bicubic if any, will be."""

    source: Path
    target: Path
    comparison: Path | None = None


@dataclass
class Report:
    """What came of some jobs.

    Attributes:
        done: pictures written.
        pixels: of them, enlarged.
        seconds: all in all.
        failures: the others, with the reason.
    """

    done: int = 0
    pixels: int = 0
    seconds: float = 0.0
    failures: list[tuple[Path, str]] = field(default_factory=list)


def plan(source: Path, output: Path, compare: bool, overwrite: bool) -> list[Job]:
    """The jobs for a picture, or for all pictures in a folder and below; nothing is written yet.

    Args:
        source: a picture, or a folder; in a folder, files with other suffixes are left alone.
        output: for a picture its file or an existing folder; for a folder one in
            which names and subfolders stay the same.
        compare: also write NAME_compare.png beside each picture: bicubic left, SR right.
        overwrite: files that exist may be replaced, though never a source.

    Raises:
        BadRequest: nothing to enlarge, an output that is a source, or that exists.
    """
    if source.is_dir():
        if output.is_file():
            raise BadRequest(f"{source} is a folder, so the output must be one: {output} is a file")
        sources = _pictures_in(source, output)
        targets = [output / path.relative_to(source) for path in sources]
    elif source.is_file():
        sources = [source]
        targets = [output / source.name if output.is_dir() else output]
        if targets[0].suffix.lower() not in reader.SUFFIXES:
            allowed = ", ".join(reader.SUFFIXES)
            raise BadRequest(f"{targets[0]}: the suffix names the format, one of {allowed}")
    else:
        raise BadRequest(f"{source}: no such file or folder")
    jobs = [
        Job(path, target, target.with_name(f"{target.stem}_compare.png") if compare else None)
        for path, target in zip(sources, targets, strict=True)
    ]
    _check_targets(jobs, overwrite)
    return jobs


def run(jobs: Sequence[Job], upscaler: "Upscaler") -> Report:
    """Do the jobs; a picture that fails is reported and the others are done."""
    report = Report()
    started = time.monotonic()
    with tqdm(total=len(jobs), unit="picture", disable=None if len(jobs) > 1 else True) as bar:
        for job in jobs:
            try:
                report.pixels += enlarge(job, upscaler)
                report.done += 1
            except (ValueError, OSError, MemoryError) as error:
                reason = str(error) or type(error).__name__
                report.failures.append((job.source, reason))
            bar.update()
    report.seconds = time.monotonic() - started
    return report


def enlarge(job: Job, upscaler: "Upscaler") -> int:
    """Do one job.

    Returns:
        How many pixels the enlarged picture has.

    Raises:
        UnreadableImage: the picture cannot be read.
        ValueError: the output format cannot hold the result.
        OSError: the output cannot be written.
    """
    picture = reader.read(job.source)
    samples = picture.samples
    height, width = (side * upscaler.scale for side in samples.shape[:2])
    writers.check_output(job.target, height, width, samples.shape[2])
    job.target.parent.mkdir(parents=True, exist_ok=True)
    writing = writers.opened_writer(job.target, height, width, samples, picture)
    with (
        writing as writer,
        tqdm(total=height, unit="row", desc=job.source.name, leave=False, disable=None) as bar,
    ):
        if job.comparison is None:
            _write_bands(upscaler, samples, bar.update, [writer])
        else:
            wide = 2 * width + _GAP
            with writers.opened_writer(
                job.comparison, height, wide, samples, picture
            ) as comparison:
                _write_bands(upscaler, samples, bar.update, [writer, comparison])
    return height * width


def _write_bands(
    upscaler: "Upscaler",
    samples: np.ndarray,
    progress: Callable[[int], object],
    writers: Sequence[writers.RowWriter],
) -> None:
    """The enlarged picture to the first writer, the comparison to the second, if there is one."""
    for band in upscaler.bands(samples):
        rows, _, channels = band.sr.shape
        writers[0].write(band.sr)
        for writer in writers[1:]:
            gap = np.full((rows, _GAP, channels), np.iinfo(band.sr.dtype).max, band.sr.dtype)
            writer.write(np.concatenate([band.bicubic, gap, band.sr], axis=1))
        progress(rows)


def _pictures_in(folder: Path, output: Path) -> list[Path]:
    """All pictures in a folder and below, without what an earlier run wrote there."""
    excluded = output.resolve()
    if excluded == folder.resolve():
        raise BadRequest(f"the output is {output}, the source itself; name another folder")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in reader.SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.resolve().is_relative_to(excluded)
    ]
    if not found:
        raise BadRequest(f"{folder} holds no picture ({', '.join(reader.SUFFIXES)})")
    return found


def _check_targets(jobs: Sequence[Job], overwrite: bool) -> None:
    sources = {_identity(job.source) for job in jobs}
    targets = [path for job in jobs for path in (job.target, job.comparison) if path]
    if len(set(targets)) < len(targets):
        twice = next(path for path in targets if targets.count(path) > 1)
        raise BadRequest(f"two outputs would be {twice}")
    existing = [path for path in targets if path.exists()]
    for path in existing:
        if _identity(path) in sources:
            raise BadRequest(f"the output {path} is an input, which is never overwritten")
        if path.is_dir():
            raise BadRequest(f"the output {path} is a folder")
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise BadRequest(f"{existing[0]}{more} exist already; --overwrite replaces them")


def _identity(path: Path) -> tuple[int, int]:
    """The file itself, by whatever name or link."""
    status = path.stat()
    return status.st_dev, status.st_ino
