"""Another clone, another store, files edited meanwhile: MLflow holds what was computed, once."""

import shutil
import time

import pytest
from mlflow import MlflowClient

from srcnn.registry import names_in
from tests.e2e.conftest import WAIT, Project, curves
from tests.e2e.test_interruptions import checkpoints, digests

RECORDED = ("metrics/evaluation.json", "metrics/training.csv", "metrics/per_image.csv")


def check_published(project, uri=None, names=("main",)):
    """The store holds one finished run with these names, its model and the champion."""
    uri = uri or f"sqlite:///{project.folder / 'mlflow.db'}"
    client = MlflowClient(uri, registry_uri=uri)
    experiment = client.get_experiment_by_name("portrait-srcnn")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert [name.split("-")[0] for name in names_in(run.data.tags)] == list(names)
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in history] == list(range(5, 41, 5))
    (version,) = client.search_model_versions("name = 'srcnn'")
    assert version.run_id == run.info.run_id
    assert client.get_model_version_by_alias("srcnn", "champion").version == version.version
    return run


@pytest.fixture(scope="module")
def fresh(finished, tmp_path_factory):
    """A clone of a finished project: dvc.lock and metrics/, but neither data nor MLflow's store."""
    folder = tmp_path_factory.mktemp("fresh")
    finished.run("git", "clone", "-q", ".", str(folder))
    clone = Project(folder)
    clone.run("git", "config", "user.email", "test@example.org")
    clone.run("git", "config", "user.name", "Test")
    clone.first_output = clone.run("dvc", "repro")
    return clone


def test_first_command_in_a_fresh_clone_publishes_run_and_model(finished, fresh):
    # Here, where the bits are those of dvc.lock, DVC takes the committed figures as they are.
    assert fresh.ran(fresh.first_output) == [
        "check",
        "fetch",
        "grayscale-and-degrade",
        "train",
        "finetune",
        "mix",
        "plot",
        "register",
    ]
    assert all(fresh.read(path) == finished.read(path) for path in RECORDED)
    check_published(fresh)
    assert not fresh.run("git", "status", "--porcelain", "metrics", "dvc.lock").strip()


def test_a_second_clone_takes_everything_from_a_dvc_remote(project, tmp_path):
    remote = ("dvc", "remote", "add", "--local", "--default", "shared", str(tmp_path / "remote"))
    project.run(*remote)
    project.run("dvc", "push", "--run-cache")
    project.run("git", "clone", "-q", ".", str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    second.run(*remote)
    second.run("dvc", "pull", "--run-cache")
    assert second.ran(second.run("dvc", "repro")) == ["check", "register"]
    check_published(second)


def test_another_store_gets_all_of_it_from_a_copy_of_the_project(fresh, monkeypatch):
    monkeypatch.setitem(fresh.settings, "MLFLOW_TRACKING_URI", "sqlite:///stores/other.db")
    fresh.run("dvc", "exp", "run", "--temp", "-n", "elsewhere")
    uri = f"sqlite:///{fresh.folder / 'stores/other.db'}"
    run = check_published(fresh, uri, ("elsewhere",))
    assert run.info.artifact_uri.startswith(str(fresh.folder / "stores/mlartifacts"))
    (original,) = fresh.runs()
    assert run.data.metrics == original.data.metrics
    client = MlflowClient(uri, registry_uri=uri)
    names = ("train/loss", "val/psnr", "test/psnr")
    assert curves(client, run, *names) == curves(fresh.client, original, *names)


def test_what_is_edited_during_the_training_is_not_taken_for_its_input(fresh):
    reference, runs = digests(fresh), len(fresh.runs())
    parameters, losses = fresh.folder / "params.yaml", fresh.folder / "src/srcnn/losses.py"
    as_it_was, code = parameters.read_text(), losses.read_text()
    longer = as_it_was.replace("steps: 40", "steps: 1500")
    parameters.write_text(longer)
    process = fresh.start("dvc", "repro")
    while not checkpoints(fresh) and process.poll() is None:
        time.sleep(0.01)
    parameters.write_text(longer.replace("lr: 0.001", "lr: 0.002"))
    losses.write_text(code.replace('"mse": F.mse_loss', '"mse": F.l1_loss'))
    output, _ = process.communicate(timeout=WAIT)
    assert process.returncode != 0
    assert "train.lr was 0.001 and is 0.002; src/srcnn/losses.py was edited" in output
    assert "Traceback" not in output
    assert len(checkpoints(fresh)) == 1  # the old state can be put back, and nothing is lost

    parameters.write_text(as_it_was)
    losses.write_text(code)
    fresh.run("dvc", "repro")
    assert digests(fresh) == reference
    assert [run.info.status for run in fresh.runs()].count("FINISHED") == 1
    assert len(fresh.runs()) <= runs + 1


def test_a_store_without_runs_is_filled_again(fresh, empty_store):
    for file in fresh.folder.glob("mlflow.db*"):
        file.unlink()
    shutil.copy(empty_store, fresh.folder)
    assert fresh.ran(fresh.run("dvc", "repro")) == ["check", "register"]
    # MLflow in this process still has the file open that was deleted.
    shutil.copy(fresh.folder / "mlflow.db", fresh.folder / "filled.db")
    check_published(fresh, f"sqlite:///{fresh.folder / 'filled.db'}")
