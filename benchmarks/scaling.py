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

from benchmarks import setup
from srcnn.data.splits import split_of
from srcnn.scoring.measures import PSNR, Context
from srcnn.scoring.protocol import score_pairs
from tests.support.pairs import write_pairs

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


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
    setup.prepare(options.threads)
    with tempfile.TemporaryDirectory() as name:
        pictures = setup.lumas(options.folder, "full", options.scale)
        split = [(split_of(name, SHARES, 0), hr) for name, hr in pictures]
        pairs = write_pairs(Path(name), options.scale, split)
        test, measures = pairs.split("test"), {PSNR: PSNR.make(Context())}
        training, validation = (
            [i for i, each in enumerate(pairs.splits) if each == of] for of in ("train", "val")
        )
        print(f"{len(test)} test pictures\n| training pictures | steps | PSNR | bicubic |")
        print("| --- | --- | --- | --- |", flush=True)
        for steps in options.steps:
            for size in options.sizes:
                chosen = pairs.select(training[:size] + validation)
                run = setup.training(chosen, steps, options.kernels, seed=options.seed)
                run.fit()
                best = run.best()
                scores = list(score_pairs((best(lr) for lr, _ in test), test, measures))
                psnr = np.mean([score.sr["psnr"] for score in scores])
                baseline = np.mean([score.bicubic["psnr"] for score in scores])
                print(f"| {size} | {steps} | {psnr:.3f} | {baseline:.2f} |", flush=True)


if __name__ == "__main__":
    main()
