"""Peak memory of each stage at several numbers of pictures, and of a longer training.

    python -m benchmarks.faults.memory [--pictures 300 3000] [--steps 1000 4000]

The pictures are generated portraits-sized PNG files (256x256, smooth colour fields with some
noise). Memory is what a stage's process and all below it hold themselves, without the files that
are mapped, which the system takes back when it needs room. Memory that grows with the pixels of the
data, or with the steps of a training, is wrong. 30,000 pictures need 6 GB of disk.
"""

import io
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks.faults import project as faults
from benchmarks.faults.project import STAGES, Project

SIDE = 256
ALLOWED = 8 * 1024  # bytes for each further picture, of which HR has 65,536
ALLOWED_OVER_STEPS = 0.1
MB = 2**20
PERIOD = 0.05  # seconds between two samples


def main() -> None:
    """Print a row for each stage, then one for the longer training."""
    parser = faults.parser(__doc__)
    parser.add_argument("--pictures", type=int, nargs=2, default=[300, 3000], help="few and many")
    parser.add_argument("--steps", type=int, nargs=2, default=[1000, 4000], help="of two trainings")
    options = parser.parse_args()
    few, many = options.pictures
    with faults.working_folder(options) as folder:
        project = faults.clone(folder / "project")
        pictures = folder / "pictures"
        pictures.mkdir()
        peaks: dict[str, list[int]] = {stage: [] for stage in STAGES}
        for count in (few, many):
            generate(pictures, count)
            data = {"source": "folder", "path": str(pictures)}
            faults.change(project, data=data, train={"steps": 20, "validate_every": 20})
            for stage, module in STAGES.items():
                peaks[stage].append(_peak(project, module))
        table = faults.Table("stage", f"MB, {few:,} pictures", f"{many:,} pictures", "bounded")
        for stage, (before, after) in peaks.items():
            wrong = ["grows with the data"] if after - before > ALLOWED * (many - few) else []
            table.add(stage, before // MB, after // MB, wrong=wrong)
        short, long = (_of_training(project, steps) for steps in options.steps)
        wrong = ["grows with the steps"] if long > short * (1 + ALLOWED_OVER_STEPS) else []
        title = "train, {:,} and {:,} steps".format(*options.steps)
        table.add(title, short // MB, long // MB, wrong=wrong)
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


def _peak(project: Project, module: str) -> int:
    """The most bytes that a stage's processes hold at one time."""
    process = project.start("python", "-m", module)
    most = 0
    while process.poll() is None:
        most = max(most, _own(psutil.Process(process.pid)))
        time.sleep(PERIOD)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return most


def _own(process: psutil.Process) -> int:
    """Bytes of a process and all below it, mapped files left out."""
    try:
        parts = [p.memory_info() for p in (process, *process.children(recursive=True))]
    except psutil.Error:  # one has just ended
        return 0
    return sum(part.rss - part.shared for part in parts)


def _of_training(project: Project, steps: int) -> int:
    """The peak of a training of so many steps."""
    faults.change(project, train={"steps": steps, "checkpoint_every": 50})
    return _peak(project, STAGES["train"])


if __name__ == "__main__":
    main()
