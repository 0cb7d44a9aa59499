"""Speed of training: this project beside the usual PyTorch training loop, in one run.

    python -m benchmarks.training T91 SET5 [--kernels 9 5 5] [--scale 3] [--seconds 60]

The usual loop is that of most public SRCNN implementations: a DataLoader that opens, crops, shrinks
and enlarges each sample with Pillow, the default memory format, Adam. Both train the same
network on the pictures of one folder for the same time, scoring not counted, and are scored ten
times on those of another. This project trains in what `train.precision: auto` means here, or in
`--precision`.
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

from benchmarks import setup
from srcnn.data.pairs import Pairs
from srcnn.hardware import choose_precision
from srcnn.inference.resolver import SuperResolver
from srcnn.networks import SRCNN
from srcnn.networks.network import crop
from srcnn.training.process_group import ProcessGroup
from srcnn.training.validation import Validation
from tests.support.pairs import write_pairs

BATCH, PATCH = 16, 48
SCORES, SCORED = 10, 8  # times in a run, and pictures


@dataclass
class Run:
    """How one way of training went."""

    name: str
    speed: float  # patches a second
    curve: list[tuple[float, float]]  # seconds since the start, validation PSNR in dB


def main() -> None:
    """Print patches per second and PSNR against time, for both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, help="folder of training pictures, .png or .bmp")
    parser.add_argument("test", type=Path, help="folder of test pictures")
    parser.add_argument("--kernels", type=int, nargs=3, default=[9, 5, 5])
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--usual-lr", type=float, default=3e-4, help="of the usual loop's Adam")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--seconds", type=float, default=60, help="training time of each")
    args = parser.parse_args()
    args.precision = choose_precision(args.precision, torch.device("cpu"))
    setup.prepare(args.threads)
    print(f"{args.threads} threads, {args.precision}", flush=True)

    train, test = (
        [hr for _, hr in setup.lumas(of, "studio", args.scale)] for of in (args.train, args.test)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = [("train", hr) for hr in train] + [("val", hr) for hr in test]
        pairs = write_pairs(folder, args.scale, pictures, "studio")
        for i, hr in enumerate(train):
            Image.fromarray(hr).save(folder / f"{i}.png")
        plain, ours = _usual(folder, pairs, args), _ours(pairs, args)
    for run in (plain, ours):
        print(
            f"{run.name:13} {run.speed:6.0f} patches/s ({run.speed / plain.speed:.2f}x);  "
            + "  ".join(f"{t:.0f} s {db:.2f}" for t, db in run.curve)
        )
    time_plain, target = max(plain.curve, key=lambda point: point[1])
    time_ours = next((t for t, db in ours.curve if db >= target), None)
    here = "not reached" if time_ours is None else f"{time_ours:.0f} s"
    print(f"{target:.2f} dB: usual loop {time_plain:.0f} s, this project {here}")


def _ours(pairs: Pairs, args: argparse.Namespace) -> Run:
    """The library's own loop; its schedule needs to know the number of steps beforehand."""
    options = {
        "kernels": args.kernels,
        "batch": BATCH,
        "patch": PATCH,
        "precision": args.precision,
        "val_pictures": SCORED,
    }
    step = setup.step_seconds(pairs, 100, **options)
    steps = int(args.seconds / step)
    run = setup.training(pairs, steps, validate_every=max(10, steps // SCORES), **options)
    run.fit()
    scored = [row for row in run.curve[1:] if "val_psnr" in row]
    curve = [(row["step"] * step, row["val_psnr"]) for row in scored]
    return Run("this project", BATCH / step, curve)


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
    return Run("usual loop", steps * BATCH / seconds, curve)


def _batches(patches: Dataset, workers: int) -> Iterator[list[torch.Tensor]]:
    sampler = RandomSampler(patches, replacement=True, num_samples=10**9)
    return iter(DataLoader(patches, BATCH, sampler=sampler, num_workers=workers))


if __name__ == "__main__":
    main()
