"""How long PyTorch's idle threads spin, to be set before PyTorch is loaded."""

import os

_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
_SPINS = "10000"  # about 20 µs


def spin_briefly() -> None:
    """Let threads that wait for others give up their core soon, unless the user decided on it.

    PyTorch's threads meet at a barrier after every operation. GNU's OpenMP lets them spin there for
    milliseconds, which takes the core from the thread that they wait for as soon as another process
    wants one, too. It reads these variables once, when it is loaded. The bits of a result do not
    depend on them. `benchmarks/busy.py` measures it.
    """
    if not any(name in os.environ for name in _SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = _SPINS
