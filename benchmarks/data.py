"""Pictures a second of the two data stages.

    python -m benchmarks.data [--pictures FOLDER] [--count 2000] [--workers 1 2] [--rounds 3]

The pictures are those of a folder, or 256x256 PNG files that are generated. Each stage runs in
this process, with as many cores as workers, on files that the operating system has in memory. Each
row is the best of the rounds, in which all rows take turns. What a stage does once takes some
tenths of a second, so few pictures make it look slower. Run it on an otherwise idle machine.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from benchmarks.faults import memory
from benchmarks.faults import project as faults
from pipeline import fetch, grayscale_and_degrade
from pipeline.stage import params


def main() -> None:
    """Print a row for each stage and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="a folder of pictures")
    parser.add_argument("--count", type=int, default=2000, help="of generated pictures")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.pictures
        if folder is None:
            folder = Path(name, "pictures")
            folder.mkdir()
            memory.generate(folder, options.count)
        count = len([path for path in folder.iterdir() if path.is_file()])
        project = faults.clone(Path(name, "project"))
        faults.change(project, data={"source": "folder", "path": str(folder.resolve())})
        os.chdir(project.folder)
        rows = [(s, n) for n in options.workers for s in (fetch, grayscale_and_degrade)]
        rounds = [[_seconds(*row) for row in rows] for _ in range(options.rounds)]
    print("| stage | workers | pictures/s |\n| --- | --- | --- |")
    for (stage, workers), *seconds in zip(rows, *rounds, strict=True):
        print(f"| {stage.__name__} | {workers} | {count / min(seconds):.0f} |")


def _seconds(stage: ModuleType, workers: int) -> float:
    given = params.load()
    machine = given.machine.model_copy(update={"workers": workers})
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(everything)[:workers])
    started = time.perf_counter()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            stage.main(given.model_copy(update={"machine": machine}))
    finally:
        os.sched_setaffinity(0, everything)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
