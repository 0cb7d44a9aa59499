"""Training on several processes: the time of a step, and what it is against one process.

    python -m benchmarks.processes [--processes 1 2] [--threads 1] [--steps 60]

Every number of processes shares out the same batch of the defaults (9-5-5, patches of 72x72, on
generated pictures) by the project's own loop, each process with `--threads` threads. Run it on an
otherwise idle machine with a core for each thread. On CUDA each process takes its own GPU.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, writing_pairs
from srcnn.hardware import choose_precision, keep_freed_memory, make_deterministic
from srcnn.networks import SRCNN
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.process_group import ProcessGroup
from srcnn.training.settings import Settings

BATCH, PATCH, SCALE = 6, 72, 4
WARM_UP = 10  # steps that are not timed


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
        _write(folder / "pairs")
        for size in options.processes:
            mp.spawn(_process, (size, folder, options), nprocs=size)
            milliseconds = float((folder / "result").read_text())
            alone = alone or milliseconds * size
            efficiency = alone / milliseconds / size
            print(f"| {size} | {milliseconds:.1f} | {efficiency:.0%} |", flush=True)


def _write(folder: Path) -> None:
    folder.mkdir()
    draw = np.random.default_rng(0)
    with writing_pairs(folder, SCALE, "full") as add:
        for i in range(40):
            hr = draw.integers(0, 256, (256, 256), dtype=np.uint8)
            add(f"{i}", f"{i}", "val" if i == 0 else "train", hr, downscale(hr, SCALE))


def _process(rank: int, size: int, folder: Path, options: argparse.Namespace) -> None:
    """One of those that train together; the first writes what was measured."""
    make_deterministic(options.threads)
    keep_freed_memory()
    device = torch.device(options.device, rank if options.device == "cuda" else None)
    if size > 1:
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=(folder / f"meeting-{size}").as_uri(),
            rank=rank,
            world_size=size,
        )
    # A row for each step, and no validation but the first and the last.
    settings = Settings(
        options.steps + WARM_UP,
        BATCH,
        PATCH,
        precision=choose_precision("auto", device),
        log_every=1,
        validate_every=10**9,
    )
    network = SRCNN(SCALE, generator=torch.Generator().manual_seed(0)).to(device)
    pairs, loss = Pairs.open(folder / "pairs"), ReconstructionLoss("mse")
    group = ProcessGroup(rank, size)
    times: list[float] = []
    training = Training(network, pairs, loss, settings, seed=1, group=group)
    training.fit(lambda row: times.append(time.perf_counter()))
    if rank == 0:
        (folder / "result").write_text(f"{1e3 * np.median(np.diff(times)[WARM_UP:-1])}")
    if size > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
