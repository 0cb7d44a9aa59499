"""How PyTorch's threads behave: settings before it is loaded, and how many there really are."""

import ctypes
import os
from pathlib import Path

_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
_SPINS = "10000"  # about 20 µs
LIMITS = ("OMP_THREAD_LIMIT", "OMP_MAX_ACTIVE_LEVELS")


def prepare_threads() -> None:
    """Let PyTorch have the threads that it asks for, and give up a core soon when they wait.

    To be called before PyTorch is loaded, as OpenMP reads these variables once.

    With OMP_DYNAMIC it may give fewer threads than asked for, and PyTorch's gradients of
    convolutions are then wrong, without an error, or wait for ever for the missing ones.

    PyTorch's threads meet at a barrier after every operation. GNU's OpenMP lets them spin there for
    milliseconds, which takes the core from the thread that they wait for as soon as another process
    wants one, too. So they spin briefly, unless the user decided on it. The bits of a result do not
    depend on it. `benchmarks/busy.py` measures it.
    """
    os.environ["OMP_DYNAMIC"] = "false"
    if not any(name in os.environ for name in _SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def check_threads(threads: int) -> None:
    """Raise a ValueError that names `threads` unless OpenMP gives PyTorch as many.

    OMP_THREAD_LIMIT, which some schedulers set, and OMP_MAX_ACTIVE_LEVELS=0 let it give fewer; see
    `prepare_threads` for what happens then. Where OpenMP lacks GNU's interface nothing is checked.
    """
    import torch

    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
    except (OSError, AttributeError):
        return
    started: list[None] = []
    count = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: started.append(None))
    parallel(count, None, ctypes.c_uint(threads), ctypes.c_uint(0))
    if len(started) < threads:
        limits = [f"{name}={os.environ[name]}" for name in LIMITS if name in os.environ]
        raise ValueError(
            f"threads is {threads}, but OpenMP gives only {len(started)} here "
            f"({', '.join(limits) or 'for an unknown reason'}): take no more, or lift the limit"
        )
