"""The loss of `finetune`: all its terms, and the weights of its VGG19.

PyTorch's vision packages and VGG19 are imported only where they are asked for: an experiment with
the pixel loss alone never loads them to train.
"""

from typing import TYPE_CHECKING

import torch

from pipeline import stage
from pipeline.stage.inputs import vgg19_file
from pipeline.stage.params import Params
from pipeline.stage.sections import Loss
from srcnn.losses import ReconstructionLoss, Weighted, of_gray

if TYPE_CHECKING:
    from srcnn.perceptual.loss import PerceptualLoss

# Of the untrained VGG19; not the experiment's, so that all experiments mean the same network.
_RANDOM_SEED = 0


def build_loss(
    params: Params, luma: str, device: torch.device, precision: str, processes: int
) -> ReconstructionLoss:
    """A loss on the device, its VGG19 loaded and checked.

    Args:
        params: all parameters.
        luma: the range of what it is given, "full" or "studio".
        device: where it is computed.
        precision: "float32" or "bfloat16", of VGG19.
        processes: that share a batch, and its perceptual patches.

    Raises:
        StageError: the weights of VGG19 cannot be had or are not VGG19's.
    """
    wanted = params.loss
    if not wanted.perceptual_weight:
        return ReconstructionLoss(wanted.pixel)
    term = of_gray(_perceptual(wanted, precision).to(device), luma)
    patches = params.finetune.perceptual_patches // processes
    weighted = Weighted(term, wanted.perceptual_weight, patches)
    return ReconstructionLoss(wanted.pixel, {"perceptual": weighted})


def _perceptual(wanted: Loss, precision: str) -> "PerceptualLoss":
    from srcnn.perceptual.loss import PerceptualLoss

    file = vgg19_file(wanted)
    try:
        return PerceptualLoss(
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
