"""The processes that train together: those of a launcher such as torchrun, or started here."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist

from pipeline.stage import StageError
from srcnn.masking import brief
from srcnn.training.process_group import ProcessGroup, ProcessLostError

# Set by the first process for those that it starts: the file in which they find each other.
_INIT_METHOD = "SRCNN_INIT_METHOD"
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
_PATIENCE = timedelta(days=7)  # a process that ends is noticed at once; one that waits may wait


@contextmanager
def process_group(count: int, device: torch.device, module: str) -> Iterator[ProcessGroup]:
    """This process's place among those that train together, while the block runs.

    Under a launcher, which sets RANK and WORLD_SIZE, it started them all. Else this process is the
    first, and starts the others with the same module on this machine; they end with the block.

    Args:
        count: machine.processes.
        device: where each trains; on CUDA each on its own GPU.
        module: that each of them runs.

    Raises:
        StageError: there are fewer GPUs, a launcher started another number of processes than
            `count`, they do not find each other, or one ended before its time.
    """
    launched = "RANK" in os.environ
    rank = int(os.environ["RANK"]) if launched else 0
    size = int(os.environ["WORLD_SIZE"]) if launched else count
    if size != count:  # which is recorded as what decided the bits
        raise StageError(
            f"machine.processes is {count}, but the launcher started {size} processes. "
            "Both must be the same number"
        )
    if size == 1:
        yield ProcessGroup()
        return
    if device.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", rank))
        if local >= (gpus := torch.cuda.device_count()):
            raise StageError(f"machine.processes is {count}, but this machine has {gpus} GPUs")
        torch.cuda.set_device(local)
    init_method = os.environ.get(_INIT_METHOD, "env://")
    try:
        with nullcontext(init_method) if launched else _others(size, module) as init_method:
            _join(rank, size, init_method, "nccl" if device.type == "cuda" else "gloo")
            yield ProcessGroup(rank, size)
    except ProcessLostError:
        if rank:
            sys.exit(1)  # the first process says what there is to say
        raise StageError(
            f"one of the {size} training processes ended before its time. The same command "
            "again continues from the last checkpoint"
        ) from None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _others(size: int, module: str) -> Iterator[str]:
    """Start all processes but the first; they are killed if the block ends with an error.

    Yields:
        Where all find each other.
    """
    os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK)
    others: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="srcnn-") as folder:
        init_method = f"file://{folder}/init_method"  # not quoted: PyTorch takes it as it is
        try:
            for rank in map(str, range(1, size)):
                place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(size)}
                other = subprocess.Popen(  # noqa: S603  # this Python, and a module of this project
                    [sys.executable, "-m", module],
                    env=os.environ | place | {_INIT_METHOD: init_method},
                    start_new_session=True,  # Ctrl+C is for this process, which ends the others
                )
                others.append(other)
            yield init_method
        except BaseException:
            for other in others:
                other.kill()
            raise
        finally:
            for other in others:
                other.wait()


def _join(rank: int, size: int, init_method: str, backend: str) -> None:
    try:
        dist.init_process_group(
            backend, init_method=init_method, rank=rank, world_size=size, timeout=_PATIENCE
        )
    except (RuntimeError, ValueError) as error:  # ValueError: no MASTER_ADDR, for example
        raise StageError(
            f"the {size} training processes do not find each other: {brief(error)}. "
            f"{backend.upper()}_SOCKET_IFNAME names the network interface to use"
        ) from None
