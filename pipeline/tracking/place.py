"""The place where trainings run: the folder `.checkpoints` of the original repository.

Its locks say who works on which training. The kernel frees a lock when its process dies, so nothing
else has to say whether somebody lives. A copy of the folder is another place, with its own locks.
"""

import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from pipeline.stage import project_root


def folder() -> Path:
    """The folder, which is made where it is missing."""
    made = project_root() / ".checkpoints"
    made.mkdir(exist_ok=True)
    return made


def identity() -> str:
    """Of this place: the same after the project was moved, another in a copy of it."""
    mark = folder() / "place"
    with suppress(FileExistsError):
        mark.touch(exist_ok=False)
    status = mark.stat()
    return f"{status.st_ino}-{status.st_mtime_ns}"


def lock(key: str) -> FileLock:
    """The lock that whoever trains under this key at this place holds meanwhile."""
    return FileLock(folder() / f"{key}.lock")


class Times:
    """When the rows of a training's curve were measured, in seconds since 1970.

    A row that is logged to MLflow again has the time that it had, and so is there once. A training
    that continues an earlier one begins with its rows.
    """

    def __init__(self, key: str, earlier: str | None = None) -> None:
        self._file = folder() / key / "times"
        self._known = _read(key)
        self._earlier = _read(earlier) if earlier else {}

    def of(self, step: int) -> float:
        """When the row of a step was measured; now, if that is not known."""
        if step not in self._known:
            self._known[step] = round(self._earlier.get(step, time.time()), 3)
            self._file.parent.mkdir(exist_ok=True)
            with self._file.open("a") as file:
                file.write(f"{step} {self._known[step]}\n")
        return self._known[step]


def _read(key: str) -> dict[int, float]:
    file = folder() / key / "times"
    if not file.exists():
        return {}
    lines = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return {int(step): float(at) for step, at in map(str.split, lines)}
