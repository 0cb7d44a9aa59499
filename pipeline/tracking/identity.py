"""What an experiment is called and where it comes from."""

import getpass
import hashlib
import os
import subprocess
from pathlib import Path

from pipeline.stage import paths
from pipeline.stage.params import Params, ParamsError, parse, validated

# What the pipeline writes itself; what else differs from the commit makes another experiment.
_WRITTEN = (":!metrics", ":!dvc.lock")


def experiment_name() -> str:
    """DVC's name of the experiment; outside `dvc exp run` the branch and short commit.

    A checkout that differs from its commit has four digits of a hash of the difference added, so
    that two runs on one commit have two names.
    """
    if named := _environment("DVC_EXP_NAME"):
        return named
    commit = _git("rev-parse", "--short", "HEAD")
    if not commit:
        return "no-commit"
    branch = _git("symbolic-ref", "--short", "--quiet", "HEAD") or "detached"
    changes = _git("diff", "HEAD", "--", ".", *_WRITTEN)
    suffix = f"-{hashlib.sha256(changes.encode()).hexdigest()[:4]}" if changes else ""
    return f"{branch}-{commit}{suffix}"


def provenance() -> dict[str, str]:
    """Where the experiment comes from, as tags: who, commit, changed code, DVC's names.

    Those that begin with `mlflow.` fill the columns User, Source and Version of MLflow's pages.
    """
    # Parameters, which the run has, do not make a checkout dirty.
    ignored = (*_WRITTEN, ":!params.yaml")
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *ignored)
    named = _environment("DVC_EXP_NAME")
    tags = {
        "git.dirty": "true" if changes else "false",
        "dvc.experiment": named,
        "dvc.baseline": _environment("DVC_EXP_BASELINE_REV"),
        "mlflow.user": _user(),
        "mlflow.source.name": "dvc exp run" if named else "dvc repro",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": _git("rev-parse", "HEAD"),
    }
    return {name: value for name, value in tags.items() if value}


def changed_parameters(params: Params) -> str:
    """Which parameters differ from the committed params.yaml, in words; "" if none does.

    Nothing is known outside git, or where the committed file is not one of this code.
    """
    try:
        committed = validated(parse(_git("show", "HEAD:./params.yaml")))
    except ParamsError:
        return ""
    old, new = ({n: str(v) for n, v in of.flat().items()} for of in (committed, params))
    changes = [
        f"{name} {old.get(name, '(none)')} → {new.get(name, '(none)')}"
        for name in old | new
        if old.get(name) != new.get(name)
    ]
    return ", ".join(changes)


def only_results_differ() -> bool:
    """Whether the metrics are not the committed ones, though all else is."""
    changes = ("status", "--porcelain", "--untracked-files=no", "--")
    return bool(_git(*changes, "metrics")) and not _git(*changes, ".", *_WRITTEN)


def is_shallow(repository: Path) -> bool:
    """Whether it is a clone with only the last commits, as of `git clone --depth`."""
    return _git("-C", str(repository), "rev-parse", "--is-shallow-repository") == "true"


def names_in_dvc() -> dict[str, list[str]]:
    """What DVC calls its experiments now, renamed or not, by `results_id`."""
    refs = _git("for-each-ref", "--format=%(refname)", "refs/exps/??/*/*").split()
    files = "".join(f"{ref}:./{paths.EVALUATED}\n" for ref in refs)
    results = _git("cat-file", "--batch-check=%(objectname)", given=files).splitlines()
    names: dict[str, list[str]] = {}
    for ref, result in zip(refs, results, strict=False):  # none where the files cannot be looked up
        names.setdefault(result, []).append(ref.rpartition("/")[2])
    return names


def results_id() -> str:
    """By which an experiment's commit is known from its results; "" without git."""
    return _git("hash-object", str(paths.EVALUATED))


def _user() -> str:
    try:
        return _printable(getpass.getuser())
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def _environment(name: str) -> str:
    return _printable(os.environ.get(name, ""))


def _printable(text: str) -> str:
    """Text of the system, with `\\xe9` for bytes that are not UTF-8: MLflow cannot store them."""
    return os.fsencode(text).decode(errors="backslashreplace")


def _git(*arguments: str, given: str = "") -> str:
    try:
        # git is what the user's shell calls so; the arguments are this module's
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",  # files and names may be in any encoding
            check=False,
        )
    except FileNotFoundError:  # git is not needed to train
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
