"""Which experiment this is: what determines it, who runs it, what it is called."""

import hashlib
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import psutil
import yaml

from pipeline import paths
from pipeline.params import Params
from pipeline.stage import resolve


def stage_key(stage: str, params: Params) -> str:
    """Hash of everything that dvc.yaml says a stage's result depends on: parameters, data, code.

    And of the content of the weights file that the loss uses, which dvc.yaml cannot name. Two runs
    of the stage with one key give the same bits, on the same machine.
    """
    declared = yaml.safe_load(paths.DVC_YAML.read_text(encoding="utf-8"))["stages"][stage]
    flat = params.flat()
    values = {
        name: value
        for wanted in declared["params"]
        for name, value in flat.items()
        if name == wanted or name.startswith(f"{wanted}.")
    }
    inputs = [Path(dep) for dep in declared["deps"]]
    if params.loss.perceptual_weight and params.loss.vgg19_file:
        weights = resolve(params.loss.vgg19_file)
        inputs += [weights] if weights.is_file() else []  # train itself insists on it
    return _hash([values, {str(path): digest(path) for path in inputs}])


def content_key(params: Params) -> str:
    """Hash of what an experiment is: its parameters (not where they are tracked) and results."""
    values = {n: v for n, v in params.flat().items() if not n.startswith("tracking.")}
    results = (paths.WEIGHTS, paths.TRAINING_CURVE, paths.PER_IMAGE, paths.EVALUATION)
    return _hash([values, {str(path): digest(path) for path in results}])


def params_hash(params: Params) -> str:
    """Hash of all parameters: the same for the same params.yaml, whatever its comments."""
    return _hash(params.flat())


def digest(path: Path) -> str:
    """Hash of a file's content, or of a folder's; data/pairs brings its own."""
    if path == paths.PAIRS:
        return json.loads((path / "meta.json").read_text(encoding="utf-8"))["sha256"]
    content = hashlib.sha256()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        content.update(f"{file.relative_to(path)}\0".encode() + file.read_bytes())
    return content.hexdigest()


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def owner() -> str:
    """The process on whose life this experiment hangs: DVC's, or this one if run by hand."""
    process = psutil.Process()
    for candidate in (process, *process.parents()):
        if "dvc" in {Path(part).name for part in candidate.cmdline()[:3]}:
            process = candidate
            break
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.0f}"


def is_dead(owner: str) -> bool:
    """Whether an `owner` of this host is gone. Of another host, or of none, nobody knows: False."""
    host, _, process = owner.partition(":")
    if host != socket.gethostname() or not process:
        return False
    pid, created = process.split(":")
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > 1
    except psutil.NoSuchProcess:
        return True


def experiment_name() -> str:
    """DVC's name of the experiment; outside `dvc exp run` the branch and short commit."""
    named = os.environ.get("DVC_EXP_NAME")
    if named:
        return named
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{_git('rev-parse', '--abbrev-ref', 'HEAD')}-{commit}" if commit else "no-commit"


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
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # git is not needed to train
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
