"""The measures that `evaluate` can take, with the weights that params.yaml asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from pipeline import stage
from pipeline.stage.inputs import vgg19_file
from pipeline.stage.sections import Evaluate, Loss
from srcnn.data.pairs import Pairs
from srcnn.data.splits import evenly_spaced
from srcnn.scoring.measures import MEASURES, Context, Function, Measure

_NATURAL = 128  # pictures, which NIQE is fitted to in two seconds


@dataclass(frozen=True)
class Available:
    """The measures of the table.

    Attributes:
        functions: of those that can be taken.
        notes: why the others cannot, by name.
    """

    functions: Mapping[Measure, Function]
    notes: Mapping[str, str]


def find_measures(
    loss: Loss, evaluate: Evaluate, device: torch.device, pairs: Pairs | None = None
) -> Available:
    """The functions of all measures that can be taken here.

    A measure that has a parameter `evaluate.<name>` is not taken where that is false, and nothing
    is downloaded for it unless it is true; it may name a file of weights instead. The VGG19
    distance takes the file that `loss.vgg19_weights` names, or torchvision's weights if it is
    `imagenet` and they are in torch's cache; else those inside the package, also with `random`: an
    untrained VGG19 may teach but not measure.

    Args:
        loss: section `loss` of what the model was trained with.
        evaluate: section `evaluate`.
        device: where the measures are computed.
        pairs: whose training pictures show what is natural, and whose scale LR-PSNR is of; without
            them neither is there.

    Raises:
        StageError: weights that were asked for cannot be had: a file that is named, or those of a
            measure whose parameter is true.
    """
    from srcnn.perceptual.pretrained import WeightsUnavailable

    file = vgg19_file(loss)
    vgg19 = file or ("imagenet" if loss.vgg19_weights == "imagenet" else "embedded")
    context = Context(device, vgg19)
    if pairs:
        context = replace(context, scale=pairs.scale, natural=natural(pairs), luma=pairs.luma)
    functions, notes = {}, {}
    for name, measure in MEASURES.items():
        wanted = getattr(evaluate, name, "auto")
        if wanted is False:
            notes[name] = f"evaluate.{name} is false"
            continue
        weights = None if wanted in ("auto", True) else stage.resolve(wanted)
        own = replace(context, download=wanted is True, alexnet=weights)
        try:
            functions[measure] = measure.make(own)
        except (ValueError, ImportError) as error:
            if name == "vgg19" and file:
                raise stage.StageError(f"loss.vgg19_weights: {error}") from None
            if wanted != "auto":
                value = "true" if wanted is True else repr(wanted)
                raise stage.StageError(
                    f"evaluate.{name} is {value}: {error}. With auto or false the other measures "
                    "are taken"
                ) from None
            missing = isinstance(error, WeightsUnavailable)
            notes[name] = f"{error}{f'; evaluate.{name}=true downloads it' if missing else ''}"
    return Available(functions, notes)


def natural(pairs: Pairs) -> Sequence[np.ndarray]:
    """HR training pictures, evenly spaced, that show what is natural."""
    train = pairs.split("train")
    return [train.hr(i) for i in evenly_spaced(len(train), _NATURAL)]
