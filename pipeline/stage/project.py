"""Where the project is, also from within an experiment's copy of it, and what is wrong with it."""

import os
from pathlib import Path


class StageError(Exception):
    """Bad input or surroundings; the message names what, its value and what is allowed."""


def project_root() -> Path:
    """The original repository's root, also when the stage runs in an experiment's copy of it.

    That is what holds the nearest `.dvc` above, outside `.dvc/tmp/exps`. DVC_ROOT may be inherited
    from another project.
    """
    here = Path.cwd().resolve()
    above = (here, *here.parents)
    root = next((folder for folder in above if (folder / ".dvc").is_dir()), here)
    for parent in root.parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2]
    return root


def resolve(path: str) -> Path:
    """A path given by the user: absolute, from a home (~), or from the original repository's root.

    Of a user who is not there, `~name` stays a name like others: Path.expanduser would fail.
    """
    return project_root() / os.path.expanduser(path)  # noqa: PTH111
