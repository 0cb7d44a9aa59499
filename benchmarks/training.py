"""Speed of training: this project beside the usual PyTorch training loop, in one run.

    python -m benchmarks.training [--kernels 9 5 5] [--scale 3] [--seconds 60]

The usual loop is that of most public SRCNN implementations: a DataLoader that opens, crops, shrinks
and enlarges each sample with Pillow, the default memory format, Adam. Both train the same
network on the sample photographs for the same time, scoring not counted, and are scored ten
times on the same held out ones. This project trains in what `train.precision: auto` means here, or
in `--precision`; shares of the matrix rate are of float32's, which bfloat16 may pass. For the terms
of the published table: --train and --test, folders with T91 and Set5.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler

from pipeline.data import samples
from srcnn.data.color import luma
from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.data.pairs import Pairs, PairsWriter
from srcnn.hardware import choose_precision, keep_freed_memory, make_deterministic
from srcnn.inference.resolver import SuperResolver
from srcnn.networks import SRCNN
from srcnn.networks.bicubic import REACH
from srcnn.networks.network import crop
from srcnn.pictures import images
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.patches import PatchSampler
from srcnn.training.process_group import ProcessGroup
from srcnn.training.settings import Settings
from srcnn.training.validation import Validation

BATCH, PATCH = 16, 48
TILE = 256
SCORES, SCORED = 10, 8  # times in a run, and pictures


@dataclass
class Run:
    """How one way of training went."""

    name: str
    steps: int
    seconds: float
    curve: list[tuple[float, float]]  # seconds since the start, validation PSNR in dB


def main() -> None:
    """Print patches per second, share of the matrix rate and PSNR against time, for both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", type=int, nargs=3, default=[9, 5, 5])
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--usual-lr", type=float, default=3e-4, help="of the usual loop's Adam")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--seconds", type=float, default=60, help="training time of each")
    parser.add_argument("--train", type=Path, help="folder of training pictures")
    parser.add_argument("--test", type=Path, help="folder of test pictures")
    args = parser.parse_args()
    args.precision = choose_precision(args.precision, torch.device("cpu"))
    make_deterministic(args.threads)
    keep_freed_memory()
    rate = _matrix_rate()
    print(
        f"{args.threads} threads, {args.precision}; a 2048x2048 product in float32 runs at "
        f"{rate / 1e9:.0f} GFLOP/s",
        flush=True,
    )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = _write_pairs(folder, args)
        runs = [_usual(folder, pairs, args), _ours(pairs, args)]
        drawing = _seconds_to_draw(pairs)
    flops = _flops_per_patch(args.kernels)
    plain, ours = runs
    for run in runs:
        speed = run.steps * BATCH / run.seconds
        ratio = speed / (plain.steps * BATCH / plain.seconds)
        print(
            f"{run.name:13} {speed:6.0f} patches/s ({ratio:.2f}x), {flops * speed / rate:4.0%} of "
            "the matrix rate;  " + "  ".join(f"{t:.0f} s {db:.2f}" for t, db in run.curve)
        )
    time_plain, target = max(plain.curve, key=lambda point: point[1])
    time_ours = next((t for t, db in ours.curve if db >= target), None)
    here = "not reached" if time_ours is None else f"{time_ours:.0f} s"
    step = ours.seconds / ours.steps
    print(f"A step here takes {step * 1e3:.1f} ms, {drawing / step:.1%} of it to draw the patches")
    print(f"{target:.2f} dB: usual loop {time_plain:.0f} s, this project {here}")


def _write_pairs(folder: Path, args: argparse.Namespace) -> Pairs:
    """LR/HR pairs for this project, and the training pictures as PNG files for the usual loop."""
    if args.test:
        pictures = [(hr, "train") for hr in _read(args.train)]
        pictures += [(hr, "val") for hr in _read(args.test)]
    else:
        pictures = [
            (hr, "val" if i % 5 == 0 else "train")
            for i, photograph in enumerate(_read(args.train))
            for hr in _tiles(photograph)
        ]
    with PairsWriter(folder, args.scale, "studio") as writer:
        for i, (hr, split) in enumerate(pictures):
            hr = crop_to_multiple(hr, args.scale)
            writer.add(str(i), str(i), split, hr, downscale(hr, args.scale))
            if split == "train":
                Image.fromarray(hr).save(folder / f"{i}.png")
    return Pairs.open(folder)


def _read(folder: Path | None) -> Iterator[np.ndarray]:
    """The luma of a folder's pictures, or of the sample photographs."""
    if folder is None:
        pictures = (
            samples.photograph(name) for name in sorted(p.file for p in samples.PHOTOGRAPHS)
        )
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".bmp"))
        pictures = (images.decode(path.read_bytes()) for path in paths)
    return (luma(picture, "studio") for picture in pictures)


def _tiles(picture: np.ndarray) -> Iterator[np.ndarray]:
    height, width = picture.shape
    for y in range(0, height - TILE + 1, TILE):
        for x in range(0, width - TILE + 1, TILE):
            yield picture[y : y + TILE, x : x + TILE]


def _ours(pairs: Pairs, args: argparse.Namespace) -> Run:
    """The library's own loop."""

    def fit(steps: int) -> Run:
        settings = Settings(
            steps,
            BATCH,
            PATCH,
            precision=args.precision,
            log_every=5,
            validate_every=max(10, steps // SCORES),
            val_pictures=SCORED,
        )
        network = SRCNN(args.scale, args.kernels, generator=torch.Generator().manual_seed(0))
        training = Training(network, pairs, ReconstructionLoss("mse"), settings, seed=1)
        scores: list[tuple[int, float]] = []
        rows = [(0, time.perf_counter())]
        timed_steps, timed_seconds = 0, 0.0

        def report(row: dict[str, float]) -> None:
            nonlocal timed_steps, timed_seconds
            now = time.perf_counter()
            if "val_psnr" in row:  # between this row and the last lies also the scoring
                scores.append((row["step"], row["val_psnr"]))
            else:
                timed_steps += row["step"] - rows[-1][0]
                timed_seconds += now - rows[-1][1]
            rows.append((row["step"], now))

        training.fit(report)
        step = timed_seconds / timed_steps
        curve = [(at * step, db) for at, db in scores if at]
        return Run("this project", steps, steps * step, curve)

    trial = fit(100)  # the schedule needs to know the number of steps beforehand
    return fit(int(100 * args.seconds / trial.seconds))


def _seconds_to_draw(pairs: Pairs, repeats: int = 50) -> float:
    sampler, generator = PatchSampler(pairs.split("train"), PATCH, REACH), torch.Generator()
    sampler.draw(BATCH, generator)
    start = time.perf_counter()
    for _ in range(repeats):
        sampler.draw(BATCH, generator)
    return (time.perf_counter() - start) / repeats


class _Patches(Dataset):
    """One sample an index: open, crop, shrink, enlarge."""

    def __init__(self, paths: list[Path], scale: int) -> None:
        self._paths, self._scale = paths, scale

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        picture = Image.open(self._paths[i])
        left, top = (int(torch.randint(side - PATCH + 1, ())) for side in picture.size)
        hr = picture.crop((left, top, left + PATCH, top + PATCH))
        lr = hr.resize([PATCH // self._scale] * 2, Image.Resampling.BICUBIC)
        return _tensor(lr.resize(hr.size, Image.Resampling.BICUBIC)), _tensor(hr)


def _tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)[None]


def _usual(folder: Path, pairs: Pairs, args: argparse.Namespace) -> Run:
    torch.manual_seed(0)
    model = SRCNN(args.scale, args.kernels)
    layers = nn.Sequential(model.extract, nn.ReLU(), model.map, nn.ReLU(), model.reconstruct)
    optimizer = torch.optim.Adam(model.parameters(), args.usual_lr)
    validation = Validation(pairs, SCORED)
    resolver = SuperResolver(model, pairs.luma)
    batches = _batches(_Patches(sorted(folder.glob("*.png")), args.scale), args.threads)
    curve: list[tuple[float, float]] = []
    seconds, steps = 0.0, 0
    while len(curve) < SCORES:
        start = time.perf_counter()
        upsampled, hr = next(batches)
        optimizer.zero_grad()
        sr = layers(upsampled) + crop(upsampled, model.margin)
        F.mse_loss(sr, crop(hr, model.margin)).backward()
        optimizer.step()
        steps += 1
        seconds += time.perf_counter() - start
        if seconds > args.seconds * (len(curve) + 1) / SCORES:
            curve.append((seconds, validation.scores(resolver, ProcessGroup())["val_psnr"]))
    return Run("usual loop", steps, seconds, curve)


def _batches(patches: Dataset, workers: int) -> Iterator[list[torch.Tensor]]:
    sampler = RandomSampler(patches, replacement=True, num_samples=10**9)
    return iter(DataLoader(patches, BATCH, sampler=sampler, num_workers=workers))


def _flops_per_patch(kernels: list[int]) -> float:
    """Of a step: forward, kernel gradients, and (but for the first layer) input gradients."""
    model, side, total = SRCNN(3, kernels), PATCH, 0
    for i, conv in enumerate((model.extract, model.map, model.reconstruct)):
        side -= conv.kernel_size[0] - 1
        total += (2 if i == 0 else 3) * 2 * conv.weight.numel() * side**2
    return total


def _matrix_rate() -> float:
    matrix = torch.rand(2048, 2048)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds)


if __name__ == "__main__":
    main()
