"""A fresh clone, with nothing but what git holds or with what a DVC remote has, too."""

import os
import shutil

import pytest

from tests.e2e.conftest import Project
from tests.support.published import wrong

RECORDED = ("metrics/evaluation.json", "metrics/training.csv", "metrics/per_image.csv")
OTHER_SURROUNDINGS = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONHASHSEED": "1",
    "TZ": "Pacific/Kiritimati",
    "USER": "somebody",
    "LOGNAME": "somebody",
}


def check_published(project):
    """The store holds one finished run, its model and the champion."""
    (run,) = project.runs()
    assert wrong(project.client, run, folder=project.folder) == []
    database = project.folder / project.database
    assert run.info.artifact_uri.startswith(f"{database.parent}/mlartifacts")


@pytest.fixture
def clone(finished, tmp_path):
    """A clone of a finished project: dvc.lock and metrics/, but neither data nor MLflow's store."""
    folder = tmp_path / "elsewhere"
    finished.run("git", "clone", "-q", ".", str(folder))
    return Project(folder)


def test_first_command_in_a_fresh_clone_publishes_the_same_bits_in_the_named_store(
    finished, clone, tmp_path
):
    clone.settings |= OTHER_SURROUNDINGS | {"HOME": str(tmp_path)}
    clone.database = "stores/other.db"
    clone.settings["MLFLOW_TRACKING_URI"] = f"sqlite:///{clone.database}"
    mask = os.umask(0o077)
    try:
        output = clone.run("dvc", "repro")
    finally:
        os.umask(mask)
    # Here, where the bits are those of dvc.lock, DVC takes the committed figures as they are. What
    # mix makes is what finetune made, and so in DVC's cache.
    assert clone.ran(output) == [
        "check",
        "fetch",
        "grayscale-and-degrade",
        "train",
        "finetune",
        "plot",
        "register",
    ]
    assert all(clone.read(path) == finished.read(path) for path in RECORDED)
    check_published(clone)
    assert not clone.run("git", "status", "--porcelain", "metrics", "dvc.lock").strip()


def test_a_second_clone_takes_everything_from_a_dvc_remote(project, clone, empty_store, tmp_path):
    remote = ("dvc", "remote", "add", "--local", "--default", "shared", str(tmp_path / "remote"))
    project.run(*remote)
    project.run("dvc", "push", "--run-cache")
    clone.run(*remote)
    clone.run("dvc", "pull", "--run-cache")
    shutil.copy(empty_store, clone.folder)
    assert clone.ran(clone.run("dvc", "repro")) == ["check", "register"]
    check_published(clone)
