"""The place where trainings run: the folder `.checkpoints` of the original repository.

Its locks say who works on which training. The kernel frees a lock when its process dies, so nothing
else has to say whether somebody lives. A copy of the folder is another place, with its own locks.
"""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from pipeline.stage import project_root


def folder() -> Path:
    """The folder, which is made where it is missing."""
    made = _folder()
    made.mkdir(exist_ok=True)
    return made


def _folder() -> Path:
    return project_root() / ".checkpoints"


def identity() -> str:
    """Of this place: the same after the project was moved, another in a copy of it."""
    mark = folder() / "place"
    with suppress(FileExistsError):
        mark.touch(exist_ok=False)
    status = mark.stat()
    return f"{status.st_ino}-{status.st_mtime_ns}"


def lock(key: str) -> FileLock:
    """The lock that whoever trains under this key at this place holds meanwhile."""
    return FileLock(_folder() / f"{key}.lock")  # which makes the folder when it is taken
