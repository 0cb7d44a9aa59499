"""What decides a training's bits beside its parameters, code and data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # the records of trainings are read without PyTorch, which takes seconds
    import torch


@dataclass(frozen=True)
class Environment:
    """What a training runs on, as it is in force: parameters and variables only ask for it.

    Attributes:
        device: "cpu", or the name of the GPU.
        instructions: of the CPU, for PyTorch's own kernels, such as "AVX2".
        precision: "float32" or "bfloat16".
        pytorch: its version.
        processes: that share each batch.
        threads: CPU threads of each.
        first_step: digest of the weights after one step. It stands for what has no name here: the
            libraries' choice by processor and by variables such as ONEDNN_MAX_CPU_ISA or MKL_CBWR,
            PyTorch's switches.
    """

    device: str
    instructions: str
    precision: str
    pytorch: str
    processes: int
    threads: int
    first_step: str

    @classmethod
    def in_force(
        cls, device: "torch.device", precision: str, processes: int, first_step: str
    ) -> Self:
        """That of this process, after `make_deterministic`."""
        import torch

        return cls(
            torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            torch.backends.cpu.get_cpu_capability(),
            precision,
            torch.__version__,
            processes,
            torch.get_num_threads(),
            first_step,
        )

    def __str__(self) -> str:
        return (
            f"{self.device}, {self.instructions}, {self.precision}, processes: {self.processes}, "
            f"threads: {self.threads}, PyTorch {self.pytorch}"
        )
