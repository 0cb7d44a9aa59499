"""Checkpoints of a training under way, kept outside DVC's outs: DVC deletes those before a run.

`<original repository>/.checkpoints/<key>/state.pt`, where the key stands for everything that
determines the result. So a resumed training ends in the same bits, or there is none to resume.
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from pipeline import artifacts
from pipeline.stage import project_root


class Checkpoints:
    """The checkpoint of one training."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "state.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint, atomically and durably."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        artifacts.write_bytes(self._path, buffer.getvalue())

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint, if there is one."""
        if not self._path.is_file():
            return None
        return torch.load(self._path, map_location="cpu", weights_only=True)

    def remove(self) -> None:
        """Forget the training: its result is written."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def of(key: str) -> Iterator[Checkpoints]:
    """The checkpoints under a key, locked: a twin of this experiment waits until it is done."""
    root = project_root() / ".checkpoints"
    root.mkdir(exist_ok=True)
    lock = FileLock(root / f"{key}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("The same training is under way in another experiment; waiting for it.", flush=True)
        lock.acquire()
    try:
        yield Checkpoints(root / key)
    finally:
        lock.release()
