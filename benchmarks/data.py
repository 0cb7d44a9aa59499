"""Pictures a second of the two data stages, beside decoding alone and `Dataset.map`.

    python -m benchmarks.data [--pictures FOLDER] [--count 2000] [--workers 1 2] [--rounds 3]

The pictures are those of a folder, or 256x256 PNG files that are generated. Each stage runs in
this process, with as many cores as workers, on files that the operating system has in memory.
Decoding is Pillow's, of every picture, in one thread. The usual way is Hugging Face's
`Dataset.map` with a function that makes each picture gray; `datasets` encodes what it returns as
PNG again. Each row is the best of the rounds, in which all rows take turns: CPU time, of all
threads, can be compared on a busy machine, too; pictures a second need a quiet one. What a stage
does once takes some tenths of a second, so few pictures make it look slower than it is.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import datasets
from PIL import Image

from benchmarks.faults import memory
from benchmarks.faults import project as faults
from pipeline import fetch, grayscale_and_degrade
from pipeline.stage import params

DECODING = "decoding alone, Pillow, one thread"
MAP = "`Dataset.map` to gray"


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, and of the CPU in all threads and processes."""

    wall: float
    cpu: float


def main() -> None:
    """Print a row for decoding, for `Dataset.map`, and for each stage and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="a folder of pictures")
    parser.add_argument("--count", type=int, default=2000, help="of generated pictures")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        folder = options.pictures
        if folder is None:
            folder = Path(name, "pictures")
            folder.mkdir()
            memory.generate(folder, options.count)
        folder = folder.resolve()
        files = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
        project = faults.clone(Path(name, "project"))
        faults.change(project, data={"source": "folder", "path": str(folder)})
        os.chdir(project.folder)
        rows = {DECODING: partial(_decode, files), MAP: partial(_map, files)} | {
            f"`{stage.__name__.partition('.')[2]}`, workers {workers}": partial(
                _run, stage, workers
            )
            for workers in options.workers
            for stage in (fetch, grayscale_and_degrade)
        }
        rounds = [
            {title: _cost(work) for title, work in rows.items()} for _ in range(options.rounds)
        ]
    _print({title: _best([done[title] for done in rounds]) for title in rows}, len(files))


def _print(costs: dict[str, Cost], count: int) -> None:
    print("| | pictures/s | to `Dataset.map` | CPU ms a picture | to decoding |")
    print("| --- | --- | --- | --- | --- |")
    for title, cost in costs.items():
        speed = f"{count / cost.wall:.0f} | {costs[MAP].wall / cost.wall:.1f}"
        work = f"{1000 * cost.cpu / count:.2f} | {cost.cpu / costs[DECODING].cpu:.2f}"
        print(f"| {title} | {speed} | {work} |")


def _best(costs: Sequence[Cost]) -> Cost:
    return Cost(min(cost.wall for cost in costs), min(cost.cpu for cost in costs))


def _cost(work: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), _cpu()
    with contextlib.redirect_stdout(sys.stderr):
        work()
    return Cost(time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    return sum(os.times()[:4])


def _decode(files: Sequence[bytes]) -> None:
    for file in files:
        Image.open(io.BytesIO(file)).load()


def _run(stage: ModuleType, workers: int) -> None:
    given = params.load()
    machine = given.machine.model_copy(update={"workers": workers})
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(everything)[:workers])
    try:
        stage.main(given.model_copy(update={"machine": machine}))
    finally:
        os.sched_setaffinity(0, everything)


def _map(files: Sequence[bytes]) -> None:
    rows = {"image": [{"bytes": file, "path": None} for file in files]}
    features = datasets.Features({"image": datasets.Image()})
    source = datasets.Dataset.from_dict(rows, features=features)
    with tempfile.TemporaryDirectory() as cache:
        source.map(
            lambda row: {"image": row["image"].convert("L")},
            cache_file_name=str(Path(cache, "mapped.arrow")),
        )


if __name__ == "__main__":
    main()
