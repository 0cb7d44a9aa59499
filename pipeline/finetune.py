"""Stage finetune: the network of `train` learns on, with further terms in its loss.

SRGAN (Ledig et al. 2017, section 3.2), too, starts from the network of the pixel loss. With no
further term, and without finetune.control, the network is passed on as it is.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import stage
from pipeline.check import before_finetune
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import params_of
from pipeline.stage.params import Params
from pipeline.stage.record import Trained

if TYPE_CHECKING:  # most experiments pass the network on, which needs no PyTorch
    import torch

    from srcnn.data.pairs import Pairs
    from srcnn.training.curve import Past
    from srcnn.training.loop import Training
    from srcnn.training.process_group import ProcessGroup


def main(params: Params) -> None:
    """Continue the training with all terms of the loss.

    Raises:
        StageError: see `pipeline.training.run.run`; and what `check` says before.
    """
    before_finetune(params)
    pixel = paths.PIXEL
    before = Trained.read(pixel.record, pixel.weights, pixel.curve)
    if not params.finetunes:
        _pass_on(params, before)
        return
    from pipeline.training.run import run, settings
    from pipeline.training.terms import build_adversary, build_loss
    from srcnn.inference.resolver import SuperResolver
    from srcnn.training.loop import Training

    def prepare(
        pairs: "Pairs", device: "torch.device", precision: str, group: "ProcessGroup"
    ) -> "Training":
        adversary = build_adversary(params, device, group)
        loss = build_loss(params, pairs.luma, device, precision, group.size, adversary)
        network = SuperResolver.load(paths.PIXEL.weights, device).model.train()
        how = settings(params, params.finetune, precision)
        return Training(network, pairs, loss, how, params.seed + 2, group, _past(), adversary)

    run(params, "finetune", paths.TUNED, prepare, before)


def _pass_on(params: Params, before: Trained) -> None:
    for ours, its in zip(paths.TUNED.results, paths.PIXEL.results, strict=True):
        with artifacts.reading(its):
            artifacts.write_bytes(ours, its.read_bytes())
    own = params_of("finetune", params)
    replace(before, params=before.params | own).write(paths.TUNED.record)


def _past() -> "Past":
    """The curve and the snapshots of `train`: of those its start and its end."""
    import pandas as pd
    from safetensors.torch import load_file

    from srcnn.training.curve import Past

    rows = pd.read_csv(paths.PIXEL.curve).to_dict("records")
    curve = [{str(k): v for k, v in row.items() if v == v} for row in rows]
    with artifacts.reading(paths.PIXEL.snapshots):
        taken = load_file(paths.PIXEL.snapshots)
    by_step = dict(zip(taken["steps"].tolist(), taken["sr"], strict=True))
    steps = sorted(by_step)
    return Past(curve, {step: by_step[step] for step in {steps[0], *steps[-3:]}})


if __name__ == "__main__":
    stage.run(main)
