"""What `evaluate` would stop at, known before its work."""

from pipeline.scoring import sets
from pipeline.stage.machine import check_device, check_threads
from pipeline.stage.params import Params


def before_evaluate(params: Params) -> None:
    """Raise a StageError for test sets, a device or weights that `evaluate` would stop at."""
    sets.find(params)
    check_device(params.machine.device)
    check_threads(params.machine.threads)
    if params.loss.vgg19_file or params.evaluate.lpips not in ("auto", False):
        import torch

        from pipeline.scoring.available import find_measures

        find_measures(params.loss, params.evaluate, torch.device("cpu"))
