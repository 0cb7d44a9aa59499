"""Checkpoints of a training under way, kept outside DVC's outs: DVC deletes those before a run.

`<original repository>/.checkpoints/<key>/state.pt`, where the key stands for everything that
determines the result. So a resumed training ends in the same bits, or there is none to resume.
"""

import hashlib
import io
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout

from pipeline.stage import artifacts
from pipeline.tracking import place

ABANDONED = 30 * 24 * 3600  # seconds after which nobody comes back to a training

_DIGEST_LENGTH = 64


class Checkpoints:
    """The checkpoint of one training."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint, atomically and durably; where it cannot be written, say so."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        try:
            artifacts.write_bytes(self._path, _digest(content) + content)
        except OSError as error:
            _warn(
                f"the checkpoint cannot be written ({error}); the training goes on, but an "
                "interruption would take it back to the last one"
            )

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint, if there is one; a damaged one is named and not used."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _warn(f"{self._path} cannot be read ({error}); the training begins anew")
            return None
        digest = content[:_DIGEST_LENGTH]
        state = content[_DIGEST_LENGTH:]
        if digest != _digest(state):
            _warn(f"{self._path} is damaged (wrong checksum); the training begins anew")
            return None
        return torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)

    def remove(self) -> None:
        """Forget the training: its result is written."""
        shutil.rmtree(self._path.parent, ignore_errors=True)


@contextmanager
def of(key: str) -> Iterator[Checkpoints]:
    """The checkpoints under a key, locked: a twin of this experiment waits until it is done."""
    lock = place.lock(key)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("The same training is under way in another experiment; waiting for it.", flush=True)
        lock.acquire()
    try:
        _remove_abandoned(place.folder())
        yield Checkpoints(place.folder() / key)
    finally:
        lock.release()


def _remove_abandoned(root: Path) -> None:
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        try:
            if time.time() - folder.stat().st_mtime > ABANDONED:
                with place.lock(folder.name).acquire(timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
        except (OSError, Timeout):  # somebody else removes it, or it is in use after all
            continue


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _warn(message: str) -> None:
    print(f"WARNING: {message}", file=sys.stderr, flush=True)
