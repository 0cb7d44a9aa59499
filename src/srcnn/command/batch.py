"""Picture files, enlarged."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from srcnn.command.plans import Job
from srcnn.masking import brief
from srcnn.pictures import reader, writers

if TYPE_CHECKING:  # wrong file names are told before PyTorch's seconds of import
    from srcnn.inference.upscaler import Band, Upscaler

# Between the halves of a before/after picture, in pixels.
_GAP = 8


def run(jobs: Sequence[Job], upscaler: "Upscaler", compare: bool, tell: bool, how: str) -> bool:
    """Do the jobs, and tell at the end what came of them.

    Args:
        jobs: what to do.
        upscaler: what to do it with.
        compare: put the bicubic enlargement on the left of the network's.
        tell: print each file that was made, and its size.
        how: the scale and the model, in words.

    Returns:
        Whether all were done. A picture that fails does not keep the others from it.
    """
    failures: list[tuple[Path, str]] = []
    pixels = 0
    started = time.monotonic()
    with tqdm(total=len(jobs), unit="picture", disable=None if len(jobs) > 1 else True) as bar:
        for job in jobs:
            try:
                width, height = _enlarge(job, upscaler, compare)
            except (ValueError, OSError, MemoryError) as error:
                failures.append((job.source, brief(error)))
            else:
                pixels += width * height
                if tell:
                    with tqdm.external_write_mode():
                        print(f"{job.target}: {width}x{height} pixels", flush=True)
            bar.update()
    seconds = time.monotonic() - started
    for source, reason in failures:
        print(f"ERROR: {source}: {reason}", file=sys.stderr)
    if len(failures) < len(jobs):
        megapixels = pixels / 1e6
        print(
            f"{counted(len(jobs) - len(failures))} enlarged {how}: {megapixels:.1f} megapixels in "
            f"{seconds:.1f} s, {megapixels / max(seconds, 1e-9):.2f} megapixels/s"
        )
    if failures and len(jobs) > 1:
        print(f"{len(failures)} of {len(jobs)} failed, listed above", file=sys.stderr)
    return not failures


def counted(number: int) -> str:
    """So many pictures, in words."""
    return f"{number} picture{'s' if number != 1 else ''}"


def _enlarge(job: Job, upscaler: "Upscaler", compare: bool) -> tuple[int, int]:
    """Do one job; width and height of the enlarged picture."""
    picture = writers.fitted(reader.read(job.source), job.target)
    height, width = (side * upscaler.scale for side in picture.samples.shape[:2])
    with tqdm(total=height, unit="row", desc=job.source.name, leave=False, disable=None) as bar:

        def rows() -> Iterator[np.ndarray]:
            for band in upscaler.bands(picture.samples):
                yield _side_by_side(band) if compare else band.sr
                bar.update(len(band.sr))

        wide = 2 * width + _GAP if compare else width
        writers.write(job.target, picture, height, wide, rows())
    return width, height


def _side_by_side(band: "Band") -> np.ndarray:
    rows, _, channels = band.sr.shape
    gap = np.full((rows, _GAP, channels), np.iinfo(band.sr.dtype).max, band.sr.dtype)
    return np.concatenate([band.bicubic, gap, band.sr], axis=1)
