"""Stage check: what the experiment will need is there, while the last results are, too.

DVC removes a stage's results before it starts the stage. What is wrong is found here, where nothing
is lost: a parameter, a test set, the folder of pictures or the weights of VGG19.
"""

import json
from pathlib import Path

from pipeline.base import paths, stage
from pipeline.base.inputs import Inputs
from pipeline.base.params import Params
from pipeline.perceptual.weights import existing_file
from pipeline.sources import folder, raw, testsets


def main(params: Params) -> None:
    """Raise a StageError for what later stages would stop at; parameters have been checked.

    What is needed only to compute results that are there already is not looked for.
    """
    testsets.find(params)
    existing_file(params.loss)
    if params.data.source == "folder" and not _is_result_of("fetch", paths.RAW / raw.META, params):
        folder.find_root(params.data)
    if _loads_weights(params) and not _is_result_of("train", paths.TRAINED, params):
        # PyTorch takes seconds to import, and most experiments need nothing that may be missing.
        import torch

        from pipeline.perceptual.loss import build_loss

        build_loss(params.loss, torch.device("cpu"))


def _loads_weights(params: Params) -> bool:
    """Whether the loss needs weights that do not come with the package."""
    loss = params.loss
    return loss.perceptual_weight > 0 and loss.vgg19_weights not in ("embedded", "random")


def _is_result_of(name: str, record: Path, params: Params) -> bool:
    """Whether a stage's record of its result tells of these parameters."""
    try:
        made_with = json.loads(record.read_text(encoding="utf-8"))["params"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return bool(made_with == Inputs.of(name, params).params)


if __name__ == "__main__":
    stage.run(main)
