"""Writing files and folders so that a killed process leaves nothing that looks whole.

And reading them, where the disk, a person or another program may have damaged them since.
"""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from pipeline.stage.project import StageError
from srcnn.pictures import files

if TYPE_CHECKING:
    import pandas as pd

# What reading a file raises that was cut short or changed; Arrow's errors are some of these.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    NotImplementedError,
    csv.Error,
    SafetensorError,
)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically and durably, making its folder where needed.

    Raises:
        OSError: it cannot be written; the error names it.
    """
    with files.written_whole(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically and durably."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and for `dvc metrics diff`: indented, strictly standard (no NaN)."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table, without its index, with all digits of its numbers."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it takes the place of `path` only when the block ends without an error.

    Raises:
        OSError: there is no room for it; the error names it.
    """
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with files.naming(path):
            yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for file in partial.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    shutil.rmtree(path, ignore_errors=True)
    partial.replace(path)
    _sync_folder(path.parent)


@contextmanager
def reading(path: Path, part_of: Path | None = None) -> Iterator[None]:
    """What cannot be understood of a file or folder becomes a StageError that says what to do.

    Args:
        path: what is read in the block.
        part_of: the folder that is made as a whole, if the path lies in one.
    """
    try:
        yield
    except _DAMAGE as error:
        if not path.exists():
            raise StageError(f"{path} is missing. {_recovery_hint(part_of or path)}") from None
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise StageError(
            f"{path} is damaged: {reason}. {_recovery_hint(part_of or path)}"
        ) from None


def _recovery_hint(path: Path) -> str:
    """What to do about a stage's result that is missing or damaged."""
    if not path.exists():
        return "`dvc repro` makes it"
    return (
        f"Remove {path} and run `dvc repro`; if the damage comes back it is in DVC's cache, too: "
        "docs/data.md tells how to clean it"
    )


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
