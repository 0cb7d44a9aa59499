"""Where the project is, also from within an experiment's copy of it, and what is wrong with it."""

import os
from pathlib import Path


class StageError(Exception):
    """Bad input or surroundings; the message names what, its value and what is allowed."""


def project_root() -> Path:
    """The original repository's root, also when the stage runs in an experiment's copy of it.

    DVC_ROOT names it but may be inherited from another project, so it counts only where it holds
    the current directory; else the nearest `.dvc` above does, outside `.dvc/tmp/exps`.
    """
    here = Path.cwd().resolve()
    named = os.environ.get("DVC_ROOT")
    if named:
        root = Path(named).resolve()
        if (root / ".dvc").is_dir() and here.is_relative_to(root):
            return _out_of_copy(root)
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return _out_of_copy(folder)
    return here


def _out_of_copy(root: Path) -> Path:
    for parent in root.parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2]
    return root


def resolve(path: str) -> Path:
    """A path given by the user: absolute, from a home (~), or from the original repository's root.

    Of a user who is not there, `~name` stays a name like others: Path.expanduser would fail.
    """
    return project_root() / os.path.expanduser(path)  # noqa: PTH111
