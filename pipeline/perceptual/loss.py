"""The loss that an experiment trains with, and the weights of its VGG19.

PyTorch's vision packages and VGG19 are imported only where they are asked for: an experiment with
the pixel loss alone never loads them to train.
"""

import torch

from pipeline.base import stage
from pipeline.base.params import Loss
from pipeline.perceptual.weights import existing_file
from srcnn.losses import ReconstructionLoss, Weighted, of_gray

# Of the untrained VGG19; not the experiment's, so that all experiments mean the same network.
_RANDOM_SEED = 0


def build_loss(
    wanted: Loss, luma: str, device: torch.device, precision: str = "float32"
) -> ReconstructionLoss:
    """A loss on the device, its VGG19 loaded and checked.

    Args:
        wanted: section `loss`.
        luma: the range of what it is given, "full" or "studio".
        device: where it is computed.
        precision: "float32" or "bfloat16", of VGG19.

    Raises:
        StageError: the weights of VGG19 cannot be had or are not VGG19's.
    """
    file = existing_file(wanted)
    if not wanted.perceptual_weight:
        return ReconstructionLoss(wanted.pixel)
    from srcnn.perceptual.loss import PerceptualLoss

    try:
        perceptual = PerceptualLoss(
            wanted.perceptual_layers,
            file or wanted.vgg19_weights,
            _RANDOM_SEED,
            wanted.perceptual_distance,
            wanted.perceptual_feature_scale,
            dtype=getattr(torch, precision),
        )
    except ValueError as error:
        raise stage.StageError(
            f"loss.vgg19_weights is {wanted.vgg19_weights!r}: {error}. In short: "
            "-S loss.vgg19_weights=embedded"
        ) from None
    term = of_gray(perceptual.to(device), luma)
    return ReconstructionLoss(
        wanted.pixel, {"perceptual": Weighted(term, wanted.perceptual_weight)}
    )
