"""The machine: what to compute on, in which precision, and how its results repeat."""

import contextlib
import ctypes
import os

import torch

from srcnn.openmp import check_threads

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def choose_device(name: str) -> torch.device:
    """The device that `machine.device` means: "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        ValueError: the device asked for is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    usable = [kind for kind, there in (("cuda", cuda), ("mps", mps), ("cpu", True)) if there]
    if name == "auto":
        return torch.device(usable[0])
    if name not in usable:
        it_has = ", ".join(usable)
        raise ValueError(f"device is {name!r}, which this machine does not have; it has: {it_has}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """The precision that `train.precision` means.

    Args:
        name: "float32", "bfloat16", or "auto": bfloat16 only where the hardware multiplies matrices
            of it faster. That is CUDA from Ampere on, CPUs with AMX, and AMD's with AVX512-BF16;
            Intel's without AMX are slower in bfloat16. It is a fact of the hardware, never a
            measured time, as the bits of a result depend on it.
        device: what is trained on.

    Returns:
        "float32" or "bfloat16".
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and _cpu_has_fast_bfloat16()
    return "bfloat16" if native else "float32"


def _cpu_has_fast_bfloat16() -> bool:
    cpu = torch.cpu.get_capabilities()
    amd = str(cpu.get("cpu_name", "")).startswith("AMD")
    return bool(cpu.get("amx_bf16") or (amd and cpu.get("avx512_bf16")))


def make_deterministic(threads: int) -> None:
    """Make the same inputs give the same bits from now on, in this process, float32 in full.

    Args:
        threads: CPU threads of PyTorch; a sum's last bits depend on it.

    Raises:
        ValueError: OpenMP does not give as many threads.
    """
    check_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    keep_float32()
    # As use_deterministic_algorithms(True), which would import PyTorch's compiler: over a second.
    torch.set_deterministic_debug_mode("error")
    # Every element of every tensor here is written before it is read; filling them costs 8 %.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # its module's class has it


def keep_float32() -> None:
    """Let CUDA multiply float32 in float32 from now on, in this process.

    PyTorch lets cuDNN's convolutions round to TF32, which keeps 10 of 23 bits.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def keep_freed_memory() -> None:
    """Let this process reuse the memory of one training step in the next, where glibc allows it.

    By default glibc gives large blocks back to the system, so that every step begins with page
    faults: a quarter of the time of a 9-1-5 step. Memory use stays at the peak of one step.
    """
    with contextlib.suppress(OSError, AttributeError):  # no glibc, no such setting
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(_M_MMAP_THRESHOLD, 2**25)  # the most that every version takes
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
