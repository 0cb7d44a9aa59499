"""What a stage needs of the machine: its device, threads and GPUs."""

import os

from pipeline.stage.project import StageError
from pipeline.stage.sections import Machine
from srcnn import openmp


def check_device(name: str) -> None:
    """Raise a StageError unless the device that machine.device names is there."""
    if name in ("auto", "cpu"):  # there is always one, and PyTorch takes seconds to import
        return
    from srcnn.hardware import choose_device

    try:
        choose_device(name)
    except ValueError as error:
        raise StageError(f"machine.{error}") from None


def check_threads(threads: int) -> None:
    """Raise a StageError if there are fewer threads."""
    if not any(name in os.environ for name in openmp.LIMITS):  # else PyTorch is not needed here
        return
    try:
        openmp.check_threads(threads)
    except ValueError as error:
        raise StageError(f"machine.{error}") from None


def check_processes(machine: Machine) -> None:
    """Raise a StageError for fewer GPUs here than processes."""
    # A launcher, which sets RANK, may have several machines.
    if machine.processes == 1 or machine.device not in ("auto", "cuda") or "RANK" in os.environ:
        return
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if 0 < gpus < machine.processes:
        raise StageError(
            f"machine.processes is {machine.processes}, but this machine has {gpus} GPUs"
        )
