"""The perceptual judges of `evaluate`: VGG19 distance and LPIPS, where their weights are there."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from pipeline.base import stage
from pipeline.base.inputs import digest
from pipeline.base.params import Loss
from pipeline.perceptual.weights import existing_file
from srcnn.scoring.protocol import Judge


@dataclass
class Judges:
    """The perceptual measures that can be taken.

    Attributes:
        measures: by their names in `srcnn.scoring.measures`.
        notes: why the others cannot.
        vgg19_weights: whose weights the VGG19 distance is measured with; distances of different
            weights cannot be compared.
    """

    measures: dict[str, Judge] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    vgg19_weights: str | None = None


def find_judges(loss: Loss, lpips: bool | Literal["auto"], device: torch.device) -> Judges:
    """VGG19 distance and LPIPS, as far as their weights are there; nothing is downloaded unasked.

    The VGG19 distance takes the file that `loss.vgg19_weights` names, or torchvision's weights if
    it is `imagenet` and they are in torch's cache; else those inside the package, also with
    `random`: an untrained VGG19 may teach but not judge.

    Args:
        loss: section `loss` of what the model was trained with.
        lpips: `evaluate.lpips`.
        device: where the measures are computed.

    Raises:
        StageError: weights that were asked for cannot be had: a file that is named, or LPIPS with
            `evaluate.lpips` true.
    """
    judges = Judges()
    _find_vgg19(loss, device, judges)
    _find_lpips(lpips, device, judges)
    return judges


def _find_vgg19(loss: Loss, device: torch.device, judges: Judges) -> None:
    from srcnn.perceptual.pretrained import UnusableWeights

    try:
        judges.measures["vgg19"], judges.vgg19_weights = _vgg19_distance(loss, device)
    except UnusableWeights as error:
        judges.notes["vgg19"] = str(error)


def _vgg19_distance(loss: Loss, device: torch.device) -> tuple[Judge, str]:
    """The VGG19 distance, and whose weights it is measured with."""
    from srcnn.perceptual import embedded
    from srcnn.scoring.learned import VGGDistance

    file = existing_file(loss)
    if file:
        try:
            return VGGDistance(file, device=device), f"{file.name} ({_short_digest(file)})"
        except ValueError as error:
            raise stage.StageError(f"loss.vgg19_weights: {error}") from None
    if loss.vgg19_weights == "imagenet":
        with suppress(ValueError):  # not in torch's cache, or damaged there
            return VGGDistance("imagenet", download=False, device=device), "imagenet"
    return VGGDistance("embedded", device=device), f"embedded ({_short_digest(embedded.FILE)})"


def _find_lpips(wanted: bool | Literal["auto"], device: torch.device, judges: Judges) -> None:
    if wanted is False:
        judges.notes["lpips"] = "evaluate.lpips is false"
        return
    from srcnn.perceptual.pretrained import WeightsUnavailable
    from srcnn.scoring.learned import LPIPS

    try:
        judges.measures["lpips"] = LPIPS(download=wanted is True, device=device)
    except (ValueError, ModuleNotFoundError) as error:
        if wanted is True:
            raise stage.StageError(
                f"evaluate.lpips is true: {error}. With auto or false the other measures are taken"
            ) from None
        judges.notes["lpips"] = (
            "AlexNet is not in torch's cache; evaluate.lpips=true downloads it"
            if isinstance(error, WeightsUnavailable)
            else str(error)
        )


def _short_digest(file: Path) -> str:
    """The content of a weights file in short, so that results say which it was."""
    return f"sha256 {digest(file)[:12]}"
