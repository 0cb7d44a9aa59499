"""Reporting to MLflow: concurrent creation of the store, and trouble that training survives."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline import identity, live, tracking
from tests.pictures import params

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def created(tmp_path_factory):
    """A project whose store four processes created at once, each with a run of its own."""
    folder = tmp_path_factory.mktemp("store")
    (folder / ".dvc").mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pipeline.tracking import Store\n"
        "store = Store('portraits')\n"
        "run = store.create({'seed': 0}, {})\n"
        "store.log_curve(run.info.run_id, [{'step': s, 'train_loss': s / 7} for s in range(3000)])"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code], cwd=folder, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [writer.communicate(timeout=200)[1].decode() for writer in writers]
    assert all(writer.returncode == 0 for writer in writers), errors
    return folder


def test_store_created_by_four_processes_at_once_is_whole(created):
    client = MlflowClient(f"sqlite:///{created / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("portraits")
    assert experiment.artifact_location == str(created / "mlartifacts")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 4
    for run in runs:
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert [(point.step, point.value) for point in history] == [
            (step, step / 7) for step in range(3000)
        ]


def test_failed_training_leaves_a_failed_run_and_goes_on_in_it(created, monkeypatch):
    monkeypatch.chdir(created)
    settings = params()
    store = tracking.Store(settings.tracking.experiment)

    def train(rows, error=None):
        with live.reporting(settings, "key") as report:
            for row in rows:
                report(row)
            if error:
                raise error

    with pytest.raises(FloatingPointError):
        train([{"step": 0, "train_psnr": 1.0}, {"step": 5, "train_loss": 2.0}], FloatingPointError)
    (failed,) = store.runs(tracking.TRAINING_KEY, "key")
    assert failed.info.status == "FAILED"
    assert failed.data.params["train.optimizer"] == settings.train.optimizer
    assert "evaluate.test_sets" not in failed.data.params

    train([{"step": 5, "train_loss": 2.0}, {"step": 10, "train_loss": 1.0}])
    (again,) = store.runs(tracking.TRAINING_KEY, "key")
    assert again.info.run_id == failed.info.run_id
    assert again.data.tags[tracking.STATE] == "trained"
    points = store.client.get_metric_history(again.info.run_id, "train/loss")
    assert [point.step for point in points] == [5, 10]

    train([{"step": 5, "train_loss": 2.0}])
    assert len(store.runs(tracking.TRAINING_KEY, "key")) == 1


def test_training_goes_on_without_mlflow(project, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = []
    with live.reporting(params(), "key") as report:
        for step in range(3):
            report({"step": step, "train_loss": 1.0})
            done.append(step)
    assert done == [0, 1, 2]
    warnings = capsys.readouterr().err
    assert warnings.count("WARNING: MLflow cannot be reached") == 1


def test_only_runs_of_dead_processes_are_buried(created, monkeypatch):
    monkeypatch.chdir(created)
    store = tracking.Store("graveyard")
    host, pid, _ = identity.owner().rsplit(":", 2)
    owners = {"alive": identity.owner(), "dead": f"{host}:{pid}:1", "elsewhere": "host-b:1:1"}
    runs = {
        name: store.client.create_run(store.experiment_id, tags={tracking.OWNER: owner})
        for name, owner in owners.items()
    }
    runs["somebody's own"] = store.client.create_run(store.experiment_id)
    store.bury_the_dead()
    status = {name: store.client.get_run(r.info.run_id).info.status for name, r in runs.items()}
    assert status == dict.fromkeys(runs, "RUNNING") | {"dead": "FAILED"}


def test_deleted_experiment_is_one_clear_error(created, monkeypatch):
    monkeypatch.chdir(created)
    store = tracking.Store("to-delete")
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(tracking.StageError, match=r"to-delete.*was deleted.*restore"):
        tracking.Store("to-delete")
