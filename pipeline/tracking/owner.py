"""The process on whose life an experiment's MLflow run hangs, and whether it is still alive.

A process is known for certain by the boot of its kernel, its pid namespace, its pid there and its
start in clock ticks since the boot: no wall clock, which may be set, and no host name, which
containers share. Of a process on another host or in another namespace this says nothing; it shows
its life by a heartbeat (`pipeline.tracking.store`).
"""

import os
import socket
import uuid
from pathlib import Path

import psutil

_PROC = Path("/proc")
_NOWHERE = (uuid.uuid4().hex, "unknown")  # known to this process alone


def current() -> str:
    """The owner of what this process does: DVC's process, or this one if run by hand."""
    process = psutil.Process()
    for candidate in (process, *process.parents()):
        if "dvc" in {Path(part).name for part in candidate.cmdline()[:3]}:
            process = candidate
            break
    return "/".join((socket.gethostname(), *_where(), str(process.pid), _start(process.pid)))


def is_dead(owner: str) -> bool | None:
    """Whether an owner is gone; None where that cannot be told from here."""
    fields = owner.split("/")
    if len(fields) != 5 or (fields[1], fields[2]) != _where():
        return None
    pid, start = fields[3:]
    try:
        return _start(int(pid)) != start
    except psutil.NoSuchProcess:
        return True


def _where() -> tuple[str, str]:
    """The kernel's boot and the pid namespace, in which a pid means one process."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = str((_PROC / "self/ns/pid").stat().st_ino)
        # /proc may be that of the namespace around this one, and lists other processes.
        ours = (_PROC / "self").readlink().name == str(os.getpid())
        return (boot, namespace) if ours else _NOWHERE
    except FileNotFoundError:  # not Linux: no containers that share a host name
        return socket.gethostname(), "host"


def _start(pid: int) -> str:
    """When a process started, unchanged by a step of the wall clock.

    Raises:
        psutil.NoSuchProcess: there is no such process.
    """
    try:
        # The fields after the command, which is in brackets and may hold any character.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return fields[19]
    except (FileNotFoundError, ProcessLookupError):
        return f"{psutil.Process(pid).create_time():.2f}"
