"""Stage train: the network learns by the pixel loss alone; `finetune` goes on from there."""

import torch

from pipeline import stage
from pipeline.check import before_train
from pipeline.stage import paths
from pipeline.stage.params import Params
from pipeline.training import initial
from pipeline.training.run import run, settings
from srcnn.data.pairs import Pairs
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.process_group import ProcessGroup


def main(params: Params) -> None:
    """Train, or continue a training of the same parameters, data and code that was interrupted.

    Raises:
        StageError: see `pipeline.training.run.run`; and what `check` says before.
    """
    before_train(params)
    network, digest = initial.network(params)

    def prepare(
        pairs: Pairs, device: torch.device, precision: str, group: ProcessGroup
    ) -> Training:
        loss = ReconstructionLoss(params.loss.pixel)
        # The patches come from a generator of their own, so that two networks of different size
        # see the same ones.
        how = settings(params, params.train, precision)
        return Training(network.to(device), pairs, loss, how, params.seed + 1, group)

    run(params, "train", paths.PIXEL, prepare, initial=digest)


if __name__ == "__main__":
    stage.run(main)
