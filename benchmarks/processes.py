"""Training on several processes: the time of a step, and what it is against one process.

    python -m benchmarks.processes [--processes 1 2] [--threads 1] [--steps 60]

Every number of processes shares out the same batch of the defaults (9-5-5, patches of 72x72, on
generated pictures) by the project's own loop, each process with `--threads` threads. Run it on an
otherwise idle machine with a core for each thread. On CUDA each process takes its own GPU.
"""

import argparse
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from benchmarks import setup
from srcnn.data.pairs import Pairs
from srcnn.training.process_group import ProcessGroup
from tests.support.pairs import write_pairs
from tests.support.pictures import noise


def main() -> None:
    """Print a row for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    print("| processes | ms a step, median | efficiency |\n| --- | --- | --- |")
    alone = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = [("train" if i else "val", noise(i, (256, 256))) for i in range(40)]
        write_pairs(folder / "pairs", 4, pictures)
        for size in options.processes:
            mp.spawn(_process, (size, folder, options), nprocs=size)
            milliseconds = float((folder / "result").read_text())
            alone = alone or milliseconds * size
            efficiency = alone / milliseconds / size
            print(f"| {size} | {milliseconds:.1f} | {efficiency:.0%} |", flush=True)


def _process(rank: int, size: int, folder: Path, options: argparse.Namespace) -> None:
    """One of those that train together; the first writes what was measured."""
    setup.prepare(options.threads)
    device = torch.device(options.device, rank if options.device == "cuda" else None)
    if size > 1:
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=(folder / f"meeting-{size}").as_uri(),
            rank=rank,
            world_size=size,
        )
    group, pairs = ProcessGroup(rank, size), Pairs.open(folder / "pairs")
    seconds = setup.step_seconds(pairs, options.steps, device=device, group=group)
    if rank == 0:
        (folder / "result").write_text(f"{1e3 * seconds}")
    if size > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
