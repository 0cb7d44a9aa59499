"""Picture files, enlarged."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from srcnn.command.plans import Job
from srcnn.pictures import reader, writers

if TYPE_CHECKING:  # wrong file names are told before PyTorch's seconds of import
    from srcnn.upscaling import Band, Upscaler

# Between the halves of a before/after picture, in pixels.
_GAP = 8


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


def run(
    jobs: Sequence[Job], upscaler: "Upscaler", done: Callable[[Job, int, int], None] | None
) -> Report:
    """Do the jobs; a picture that fails is reported and the others are done.

    Args:
        jobs: what to do.
        upscaler: what to do it with.
        done: if given, told of each picture that was made, and its new width and height.
    """
    report = Report()
    started = time.monotonic()
    with tqdm(total=len(jobs), unit="picture", disable=None if len(jobs) > 1 else True) as bar:
        for job in jobs:
            try:
                width, height = enlarge(job, upscaler)
            except (ValueError, OSError, MemoryError) as error:
                reason = str(error) or type(error).__name__
                report.failures.append((job.source, reason))
            else:
                report.done += 1
                report.pixels += width * height
                if done:
                    with tqdm.external_write_mode():
                        done(job, width, height)
            bar.update()
    report.seconds = time.monotonic() - started
    return report


def enlarge(job: Job, upscaler: "Upscaler") -> tuple[int, int]:
    """Do one job.

    Returns:
        Width and height of the enlarged picture.

    Raises:
        UnreadableImage: the picture cannot be read.
        ValueError: the output format cannot hold the result.
        OSError: the output cannot be written.
    """
    picture = reader.read(job.source)
    if job.target:
        picture = writers.fitted(picture, job.target)
    samples = picture.samples
    height, width = (side * upscaler.scale for side in samples.shape[:2])
    with ExitStack() as files:

        def opened(path: Path | None, wide: int) -> writers.RowWriter | None:
            if path is None:
                return None
            writers.check_output(path, height, wide, picture)
            path.parent.mkdir(parents=True, exist_ok=True)
            return files.enter_context(writers.opened_writer(path, height, wide, samples, picture))

        enlarged = opened(job.target, width)
        comparison = opened(job.comparison, 2 * width + _GAP)
        bar = tqdm(total=height, unit="row", desc=job.source.name, leave=False, disable=None)
        files.enter_context(bar)
        for band in upscaler.bands(samples):
            if enlarged:
                enlarged.write(band.sr)
            if comparison:
                comparison.write(_side_by_side(band))
            bar.update(len(band.sr))
    return width, height


def _side_by_side(band: "Band") -> np.ndarray:
    rows, _, channels = band.sr.shape
    gap = np.full((rows, _GAP, channels), np.iinfo(band.sr.dtype).max, band.sr.dtype)
    return np.concatenate([band.bicubic, gap, band.sr], axis=1)
