"""The loss of `finetune`: all its terms, the weights of its VGG19, its discriminator.

What a term needs is imported only where its weight is not 0.
"""

from functools import partial
from typing import TYPE_CHECKING

import torch

from pipeline import stage
from pipeline.stage.inputs import vgg19_file
from pipeline.stage.params import Params
from pipeline.stage.sections import Loss
from srcnn.training.losses import ReconstructionLoss, Weighted, lattice, of_gray
from srcnn.training.process_group import ProcessGroup

if TYPE_CHECKING:
    from srcnn.adversarial.adversary import Adversary
    from srcnn.perceptual.loss import PerceptualLoss


def build_loss(
    params: Params,
    luma: str,
    device: torch.device,
    precision: str,
    processes: int,
    adversary: "Adversary | None" = None,
) -> ReconstructionLoss:
    """A loss on the device, its VGG19 loaded and checked.

    Args:
        params: all parameters.
        luma: the range of what it is given, "full" or "studio".
        device: where it is computed.
        precision: "float32" or "bfloat16", of VGG19.
        processes: that share a batch, and its perceptual patches.
        adversary: gives the adversarial term, if there is to be one.

    Raises:
        StageError: see `perceptual_loss`.
    """
    wanted = params.loss
    others = {}
    if wanted.perceptual_weight:
        term = of_gray(perceptual_loss(wanted, precision).to(device), luma)
        patches = params.finetune.perceptual_patches // processes
        others["perceptual"] = Weighted(
            term, wanted.perceptual_weight, patches, shifts=params.degrade.scale
        )
    if adversary:
        ramp = round(params.finetune.adversarial_ramp * params.finetune.steps)
        others["adversarial"] = Weighted(
            adversary.term, wanted.adversarial_weight, ramp=ramp, validates=False
        )
    if others and wanted.lattice_weight:
        others["lattice"] = Weighted(
            partial(lattice, scale=params.degrade.scale), wanted.lattice_weight
        )
    return ReconstructionLoss(wanted.pixel, others)


def build_adversary(
    params: Params, device: torch.device, group: ProcessGroup
) -> "Adversary | None":
    """The adversary of the loss, with a new discriminator; None where its weight is 0."""
    if not params.loss.adversarial_weight:
        return None
    from srcnn.adversarial.adversary import Adversary
    from srcnn.adversarial.discriminators import DISCRIMINATORS

    wanted = params.finetune.discriminator
    generator = torch.Generator().manual_seed(params.seed + 3)
    discriminator = DISCRIMINATORS[wanted.name](wanted.features, generator).to(device)
    relativistic = params.loss.adversarial == "relativistic"
    return Adversary(discriminator, relativistic, wanted.lr, params.finetune.steps, group)


def perceptual_loss(wanted: Loss, precision: str) -> "PerceptualLoss":
    """The distance of VGG19 features that section `loss` asks for, on the CPU.

    Raises:
        StageError: the weights of VGG19 cannot be had or are not VGG19's.
    """
    from srcnn.perceptual.loss import PerceptualLoss

    file = vgg19_file(wanted)
    try:
        return PerceptualLoss(
            wanted.perceptual_layers,
            file or wanted.vgg19_weights,
            wanted.perceptual_distance,
            wanted.perceptual_feature_scale,
            dtype=getattr(torch, precision),
        )
    except ValueError as error:
        raise stage.StageError(
            f"loss.vgg19_weights is {wanted.vgg19_weights!r}: {error}. In short: "
            "-S loss.vgg19_weights=embedded"
        ) from None
