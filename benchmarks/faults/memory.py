"""Peak memory of each stage at several numbers of pictures, and of a longer training.

    python -m benchmarks.faults.memory [--pictures 300 3000] [--steps 1000 4000]

The pictures are generated portraits-sized PNG files (256x256, smooth colour fields with some
noise). Memory is sampled over a stage's process and all below it: "own" is what they hold
themselves, "resident" has in it the files that are mapped, which the system takes back when it
needs room. Own memory that grows with the pixels of the data, or with the steps of a training, is
wrong. 30,000 pictures need 6 GB of disk.
"""

import io
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks.faults import project as faults
from benchmarks.faults.project import STAGES, Project

SIDE = 256
ALLOWED = 8 * 1024  # bytes of own memory for each further picture, of which HR has 65,536
ALLOWED_OVER_STEPS = 0.1
MB = 2**20
PERIOD = 0.05  # seconds between two samples


@dataclass
class Peak:
    """Bytes: of the largest process, and of all of them at one time."""

    seconds: float
    largest: int
    resident: int
    own: int


def main() -> None:
    """Print a row for each stage, then one for the longer training."""
    parser = faults.parser(__doc__)
    parser.add_argument("--pictures", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--steps", type=int, nargs=2, default=[1000, 4000], help="of two trainings")
    options = parser.parse_args()
    with faults.working_folder(options) as folder:
        project = faults.clone(folder / "project")
        pictures = folder / "pictures"
        pictures.mkdir()
        peaks: dict[str, list[Peak]] = {stage: [] for stage in STAGES}
        columns = [f"{count:,} pictures" for count in options.pictures]
        print("MB, own / resident / of the largest process (seconds)\n")
        for count in sorted(options.pictures):
            generate(pictures, count)
            data = {"source": "folder", "path": str(pictures)}
            faults.change(project, data=data, train={"steps": 20, "validate_every": 20})
            for stage, module in STAGES.items():
                peaks[stage].append(_peak(project, module))
        table = faults.Table("stage", *columns, "own memory a further picture", "bounded")
        for stage, seen in peaks.items():
            more = seen[-1].own - seen[0].own
            growth = more / max(options.pictures[-1] - options.pictures[0], 1)
            wrong = ["grows with the data"] if growth > ALLOWED else []
            table.add(stage, *map(_cell, seen), f"{growth / 1024:.1f} kB", wrong=wrong)
        _over_steps(project, options.steps, table, len(columns))
        table.exit()


def generate(folder: Path, count: int) -> None:
    """Those of the first `count` pictures that are not there yet."""
    with ProcessPoolExecutor(2) as pool:
        missing = [i for i in range(count) if not (folder / f"{i:05d}.png").exists()]
        for i, content in zip(missing, pool.map(_png, missing, chunksize=100), strict=True):
            (folder / f"{i:05d}.png").write_bytes(content)


def _png(seed: int) -> bytes:
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16)
    noisy = smooth + draw.integers(-2, 3, (SIDE, SIDE, 1))
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _peak(project: Project, module: str) -> Peak:
    start = time.monotonic()
    process = project.start("python", "-m", module)
    largest, resident, own = 0, 0, 0
    while process.poll() is None:
        parts = _memory(psutil.Process(process.pid))
        largest = max([largest, *(rss for rss, _ in parts)])
        resident = max(resident, sum(rss for rss, _ in parts))
        own = max(own, sum(part for _, part in parts))
        time.sleep(PERIOD)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return Peak(time.monotonic() - start, largest, resident, own)


def _memory(process: psutil.Process) -> list[tuple[int, int]]:
    """Resident and own bytes of a process and all below it."""
    found = []
    try:
        for part in (process, *process.children(recursive=True)):
            memory = part.memory_info()
            found.append((memory.rss, memory.rss - memory.shared))
    except psutil.Error:  # it has just ended
        pass
    return found


def _over_steps(project: Project, steps: list[int], table: faults.Table, columns: int) -> None:
    """Train twice, the second time longer: the peak must not grow."""
    seen = []
    for count in steps:
        faults.change(project, train={"steps": count, "checkpoint_every": 50})
        seen.append(_peak(project, STAGES["train"]))
    wrong = []
    if seen[1].own > seen[0].own * (1 + ALLOWED_OVER_STEPS):
        wrong.append("grows with the steps")
    cells = [f"{n:,} steps: {_cell(peak)}" for n, peak in zip(steps, seen, strict=True)]
    table.add("a longer train", "; ".join(cells), *[""] * columns, wrong=wrong)


def _cell(peak: Peak) -> str:
    sizes = " / ".join(f"{size / MB:.0f}" for size in (peak.own, peak.resident, peak.largest))
    return f"{sizes} ({peak.seconds:.0f} s)"


if __name__ == "__main__":
    main()
