"""Training on several processes: the time of a step, of its message, and what more GPUs would give.

    python -m benchmarks.processes [--processes 1 2] [--threads 1] [--steps 60]

Every number of processes trains the defaults (9-5-5, patches of 72x72) on generated pictures by the
project's own loop, each process with `--threads` threads: the same batch shared out (strong
scaling), and a batch for each process (weak scaling). The message, one all-reduce of all gradients,
is timed alone, for this network and for one with 30 times the parameters; and so is a validation,
whose pictures are shared out, too. Run it on an otherwise idle machine with a core for each thread.

On CUDA, where there are GPUs, each process takes its own and the messages are NCCL's.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, PairsWriter
from srcnn.hardware import choose_precision, keep_freed_memory, make_deterministic
from srcnn.inference.resolver import SuperResolver
from srcnn.networks import SRCNN
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.process_group import ProcessGroup
from srcnn.training.settings import Settings
from srcnn.training.validation import Validation

BATCH, PATCH, SCALE, PICTURES = 6, 72, 4, 8
WARM_UP = 10  # steps and messages that are not timed
LARGER = 30  # times the parameters: about SRResNet's 1.5 million


def main() -> None:
    """Print a row for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    print("Milliseconds, medians; efficiency against one process.\n")
    print(
        "| processes | step, one batch for all | efficiency | step, a batch each | efficiency |",
        end="",
    )
    print(" message | message, 30 times as long | validation |\n" + "| --- " * 8 + "|")
    alone: float | None = None
    with tempfile.TemporaryDirectory() as name:
        pairs = Path(name, "pairs")
        _write(pairs)
        for size in options.processes:
            results = Path(name, f"{size}")
            arguments = (size, name, pairs, results, options)
            mp.spawn(_process, arguments, nprocs=size)
            shared, each, message, longer, validation = map(float, results.read_text().split())
            alone = alone or shared * size
            print(
                f"| {size} | {shared:.1f} | {alone / shared / size:.0%} | {each:.1f} | "
                f"{alone / each:.0%} | {message:.2f} | {longer:.2f} | {validation:.0f} |",
                flush=True,
            )


def _write(folder: Path) -> None:
    folder.mkdir()
    draw = np.random.default_rng(0)
    with PairsWriter(folder, SCALE, "full") as writer:
        for i in range(40):
            hr = draw.integers(0, 256, (256, 256), dtype=np.uint8)
            writer.add(f"{i}", f"{i}", "val" if i < PICTURES else "train", hr, downscale(hr, SCALE))


def _process(
    rank: int, size: int, name: str, pairs: Path, results: Path, options: argparse.Namespace
) -> None:
    """One of those that train together; the first writes what was measured."""
    make_deterministic(options.threads)
    keep_freed_memory()
    device = torch.device(options.device, rank if options.device == "cuda" else None)
    if size > 1:
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=Path(name, f"init_method-{size}").as_uri(),
            rank=rank,
            world_size=size,
        )
    opened, group = Pairs.open(pairs), ProcessGroup(rank, size)
    shared = _step(opened, BATCH, group, device, options.steps)
    each = _step(opened, BATCH * size, group, device, options.steps)
    parameters = sum(p.numel() for p in SRCNN(SCALE).parameters())
    message, longer = (_message(n, group, device) for n in (parameters, LARGER * parameters))
    validation = _validation(opened, group, device)
    if rank == 0:
        seconds = (shared, each, message, longer, validation)
        results.write_text(" ".join(f"{1e3 * s}" for s in seconds))
    if size > 1:
        dist.destroy_process_group()


def _step(pairs: Pairs, batch: int, group: ProcessGroup, device: torch.device, steps: int) -> float:
    """Median seconds of a step."""
    precision = choose_precision("auto", device)
    # A row for each step, and no validation but the first and the last.
    settings = Settings(
        steps + WARM_UP, batch, PATCH, precision=precision, log_every=1, validate_every=10**9
    )
    network = SRCNN(SCALE, generator=torch.Generator().manual_seed(0)).to(device)
    training = Training(network, pairs, ReconstructionLoss("mse"), settings, seed=1, group=group)
    times: list[float] = []
    training.fit(lambda row: times.append(time.perf_counter()))
    between = np.diff(times)[WARM_UP:-1]
    return float(np.median(between))


def _validation(pairs: Pairs, group: ProcessGroup, device: torch.device, repeats: int = 5) -> float:
    """Median seconds in which the default number of pictures of two splits is scored."""
    network = SRCNN(SCALE, generator=torch.Generator().manual_seed(0)).to(device)
    resolver = SuperResolver(network.eval(), "full", choose_precision("auto", device))
    validation, seconds = Validation(pairs, PICTURES), []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        validation.scores(resolver, group)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _message(numbers: int, group: ProcessGroup, device: torch.device, repeats: int = 100) -> float:
    """Median seconds of an all-reduce of so many float32 numbers."""
    if group.size == 1:
        return 0.0
    flat, seconds = torch.zeros(numbers, device=device), []
    for _ in range(repeats + WARM_UP):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(flat)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UP:])


if __name__ == "__main__":
    main()
