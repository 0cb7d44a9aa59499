"""What several of these scripts begin with: a training like the default one, and its pace."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from srcnn.data.imresize import crop_to_multiple
from srcnn.data.pairs import Pairs
from srcnn.hardware import choose_precision, keep_freed_memory, make_deterministic
from srcnn.networks import SRCNN
from srcnn.pictures import images
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.process_group import ProcessGroup
from srcnn.training.settings import Settings

WARM_UP = 10  # steps that are not timed
NEVER = 10**9  # steps


def prepare(threads: int) -> None:
    """As a stage does."""
    make_deterministic(threads)
    keep_freed_memory()


def lumas(folder: Path, luma_range: str, scale: int) -> Iterable[tuple[str, np.ndarray]]:
    """Names and lumas, cropped to a multiple of the scale, of the pictures of a folder."""
    for path in sorted(folder.iterdir()):
        if path.suffix in (".png", ".bmp", ".jpg"):
            hr = images.decode_luma(path.read_bytes(), luma_range)
            yield path.name, crop_to_multiple(hr, scale)


def training(
    pairs: Pairs,
    steps: int,
    kernels: Sequence[int] = (9, 5, 5),
    batch: int = 6,
    patch: int = 72,
    precision: str = "auto",
    device: torch.device | str = "cpu",
    seed: int = 0,
    group: ProcessGroup | None = None,
    **settings: int,
) -> Training:
    """SRCNN by the pixel loss; what is not said is as in params.yaml."""
    device = torch.device(device)
    precision = choose_precision(precision, device)
    generator = torch.Generator().manual_seed(seed)
    network = SRCNN(pairs.scale, kernels, generator=generator).to(device)
    how = Settings(steps, batch, patch, precision=precision, **settings)
    return Training(network, pairs, ReconstructionLoss("mse"), how, seed + 1, group)


def step_seconds(pairs: Pairs, steps: int, **options: object) -> float:
    """The median time of a step of a `training`, scoring not counted."""
    times: list[float] = []
    run = training(pairs, steps + WARM_UP, log_every=1, validate_every=NEVER, **options)
    run.fit(lambda row: times.append(time.perf_counter()))
    # It is validated before the first step and after the last.
    return statistics.median(np.diff(times)[WARM_UP:-1])


def median_seconds(
    work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """How long a piece of work takes, after two runs that are not measured."""
    taken = []
    for _ in range(repeats + 2):
        start = clock()
        work()
        taken.append(clock() - start)
    return statistics.median(taken[2:])
