"""How PSNR grows with the number of training pictures and of steps.

    python -m benchmarks.scaling FOLDER [--sizes 50 100 200] [--steps 600 2400 9600] [--scale 4]

The folder's pictures are split by their file names, 15 % for validation and 15 % for the test, by
the project's own rule. Each network is trained with the defaults of params.yaml on the first so
many of the others; the weights kept are the best on the validation, as in the pipeline. Printed is
the mean PSNR of the test pictures, a border of `scale` pixels left out, full-range luma.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.data.pairs import Pairs, writing_pairs
from srcnn.data.splits import split_of
from srcnn.hardware import choose_precision, keep_freed_memory, make_deterministic
from srcnn.inference.resolver import SuperResolver
from srcnn.networks import SRCNN
from srcnn.pictures import images
from srcnn.scoring.measures import PSNR, Context
from srcnn.scoring.protocol import score_pairs
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.settings import Settings

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
BATCH, PATCH = 6, 72


def main() -> None:
    """Print a row for each number of pictures and of steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--steps", type=int, nargs="+", default=[600, 2400, 9600])
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), default=4)
    parser.add_argument("--kernels", type=int, nargs=3, default=[9, 5, 5])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make_deterministic(options.threads)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        pairs = _pairs(options.folder, Path(name), options.scale)
        test, measures = pairs.split("test"), {PSNR: PSNR.make(Context(scale=options.scale))}
        print(f"{len(test)} test pictures\n| training pictures | steps | PSNR | bicubic |")
        print("| --- | --- | --- | --- |", flush=True)
        for steps in options.steps:
            for size in options.sizes:
                scores = list(score_pairs(_train(pairs, size, steps, options), test, measures))
                psnr = np.mean([score.sr["psnr"] for score in scores])
                baseline = np.mean([score.bicubic["psnr"] for score in scores])
                print(f"| {size} | {steps} | {psnr:.3f} | {baseline:.2f} |", flush=True)


def _pairs(folder: Path, to: Path, scale: int) -> Pairs:
    with writing_pairs(to, scale, "full") as add:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            if path.suffix not in (".png", ".bmp", ".jpg"):
                continue
            hr = crop_to_multiple(images.decode_luma(path.read_bytes(), "full"), scale)
            split = split_of(path.name, SHARES, 0)
            add(path.name, path.name, split, hr, downscale(hr, scale))
    return Pairs.open(to)


def _train(pairs: Pairs, size: int, steps: int, options: argparse.Namespace) -> SuperResolver:
    """The best network of a training on the first `size` training pictures."""
    training, validation = (
        [i for i, other in enumerate(pairs.splits) if other == split] for split in ("train", "val")
    )
    settings = Settings(
        steps, BATCH, PATCH, precision=choose_precision("auto", torch.device("cpu"))
    )
    generator = torch.Generator().manual_seed(options.seed)
    network = SRCNN(options.scale, options.kernels, generator=generator)
    chosen, loss = pairs.select(training[:size] + validation), ReconstructionLoss("mse")
    fitted = Training(network, chosen, loss, settings, options.seed + 1)
    fitted.fit()
    return fitted.best()


if __name__ == "__main__":
    main()
