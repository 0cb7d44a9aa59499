"""What an experiment is called and where it comes from."""

import os
import subprocess


def experiment_name() -> str:
    """DVC's name of the experiment; outside `dvc exp run` the branch and short commit."""
    named = os.environ.get("DVC_EXP_NAME")
    if named:
        return named
    commit = _git("rev-parse", "--short", "HEAD")
    branch = _git("symbolic-ref", "--short", "--quiet", "HEAD") or "detached"
    return f"{branch}-{commit}" if commit else "no-commit"


def provenance() -> dict[str, str]:
    """Where the experiment comes from, as tags: commit, whether code was changed, DVC's names."""
    # What the pipeline writes, and parameters, which the run has, do not make a checkout dirty.
    written = (":!metrics", ":!dvc.lock", ":!params.yaml")
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
    tags = {
        "git.commit": _git("rev-parse", "HEAD"),
        "git.dirty": "true" if changes else "false",
        "dvc.experiment": os.environ.get("DVC_EXP_NAME", ""),
        "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV", ""),
    }
    return {name: value for name, value in tags.items() if value}


def _git(*arguments: str) -> str:
    try:
        # git is what the user's shell calls so; the arguments are this module's
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # git is not needed to train
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
