"""What `train` and `finetune` would stop at, known before their work."""

from pipeline.stage import StageError
from pipeline.stage.inputs import vgg19_file
from pipeline.stage.machine import check_device, check_processes, check_threads
from pipeline.stage.params import Params
from pipeline.stage.sections import Finetune, Machine, Train


def before_train(params: Params) -> None:
    """Raise a StageError for what this machine lacks to train with these parameters."""
    _check(params.machine, "train", params.train)
    if params.train.init is not None:
        from pipeline.training import initial

        initial.network(params)


def before_finetune(params: Params) -> None:
    """Raise a StageError for what this machine lacks to fine-tune with these parameters."""
    vgg19_file(params.loss)
    if not params.finetunes:
        return
    finetune, processes = params.finetune, params.machine.processes
    _check(params.machine, "finetune", finetune)
    if not params.loss.perceptual_weight:
        return
    if finetune.batch_size % processes or finetune.perceptual_patches % processes:
        raise StageError(
            f"finetune.batch_size is {finetune.batch_size} and finetune.perceptual_patches "
            f"{finetune.perceptual_patches}: both must be multiples of machine.processes "
            f"({processes}), so that each has its share of both"
        )
    if params.loss.vgg19_weights not in ("embedded", "random"):
        # PyTorch takes seconds to import, and most experiments need nothing that may be missing.
        import torch

        from pipeline.training.terms import build_loss

        build_loss(params, params.degrade.luma, torch.device("cpu"), "float32", processes)


def _check(machine: Machine, section: str, of: Train | Finetune) -> None:
    check_device(machine.device)
    check_threads(machine.threads)
    check_processes(machine)
    if machine.processes > of.batch_size:
        raise StageError(
            f"{section}.batch_size is {of.batch_size}; {machine.processes} processes "
            "(machine.processes) need at least one patch each"
        )
