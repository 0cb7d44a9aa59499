"""What a training step costs with and without the perceptual loss.

    python -m benchmarks.perceptual_cost [--patch 48] [--batch 16] [--precision float32]

An untrained VGG19 costs what a trained one does, so nothing is downloaded.
"""

import argparse
import time
from functools import partial

import torch

from benchmarks.setup import median_seconds
from srcnn.networks import SRCNN
from srcnn.networks.network import crop
from srcnn.perceptual.loss import LAYERS, PerceptualLoss
from srcnn.training.losses import ReconstructionLoss, Weighted

SCALE = 4


def main() -> None:
    """Print seconds of CPU time, which other programs on the machine disturb least."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patch", type=int, default=48, help="finetune.patch_size")
    parser.add_argument("--batch", type=int, default=16, help="finetune.perceptual_patches")
    parser.add_argument("--layer", choices=LAYERS, default="conv5_4", help="the deepest layer")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1, help="machine.threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    model = SRCNN(SCALE, generator=torch.Generator().manual_seed(0))
    model.to(memory_format=torch.channels_last)
    vgg19 = PerceptualLoss({options.layer: 1.0}, "random", dtype=getattr(torch, options.precision))
    side = options.patch // SCALE + 2 * model.reach
    lr = torch.rand(options.batch, 1, side, side)
    hr = crop(torch.rand(options.batch, 1, options.patch, options.patch), model.margin)

    def step(loss: ReconstructionLoss) -> None:
        model.zero_grad()
        sr = model.patch(lr, bfloat16=options.precision == "bfloat16")
        loss(sr, hr)["loss"].backward()

    others = {"perceptual": Weighted(vgg19, 0.01)}
    pixel, perceptual = (
        median_seconds(partial(step, loss), 7, time.process_time)
        for loss in (ReconstructionLoss("mse"), ReconstructionLoss("mse", others))
    )
    print(
        f"{options.batch} patches of {options.patch}, {tuple(hr.shape[-2:])} of them in the loss; "
        f"{options.layer}; {options.precision}; {options.threads} threads; CPU seconds a step"
    )
    print(f"MSE only                      {pixel:7.3f}")
    print(f"with perceptual loss          {perceptual:7.3f}  ({perceptual / pixel:.1f} times)")


if __name__ == "__main__":
    main()
