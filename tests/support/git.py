"""git, as nobody in particular."""

import subprocess
from pathlib import Path


def git(*arguments: str | bytes, folder: Path = Path()) -> None:
    """Run a command of git, which must succeed."""
    known = ("-c", "user.name=T", "-c", "user.email=t@e")
    subprocess.run(["git", *known, *arguments], cwd=folder, check=True)


def commit_all(folder: Path = Path()) -> None:
    """Make a folder a repository, with all that is in it committed to the branch main."""
    git("init", "-q", "-b", "main", folder=folder)
    git("add", "-A", folder=folder)
    git("commit", "-qm", "x", "--allow-empty", folder=folder)
