"""Reporting to MLflow: concurrent creation of the store, and trouble that training survives."""

import shutil
import socket
import subprocess
import sys
import time
from unittest.mock import Mock

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.stage import StageError
from pipeline.tracking import live, place
from pipeline.tracking.points import times
from pipeline.tracking.store import TRAINING_KEY, RunState, Store
from srcnn.inference import mlflow_sqlite
from tests.pipeline.published import ODD
from tests.support.paths import ROOT
from tests.support.published import points

PARAMS = {"seed": 0, "train.optimizer": "muon"}


def rows(*steps):
    return [{"step": step, "train_loss": 1 / (1 + step)} for step in steps]


def train(reported, error=None, key="key", begun=(), earlier=None):
    """A training that reports these rows and ends, with an error if one is given."""
    more = {"finetune.steps": 5} if earlier else {}
    reporting = live.reporting("portraits", PARAMS | more, key, begun, earlier)
    with place.lock(key), reporting as report:
        for row in reported:
            report(row)
        if error:
            raise error


def the_run(store, state, *steps, key="key"):
    """The only run of a training, which has this state and exactly these points."""
    (run,) = store.runs(TRAINING_KEY, key)
    assert run.info.status == state
    assert points(store.client, run, "train/loss") == [(step, 1 / (1 + step)) for step in steps]
    return run


def test_store_created_by_two_clones_at_once_is_whole(project, monkeypatch):
    """They share the database, in a folder of an odd name, and the lock beside it."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pipeline.tracking.points import log_curve\n"
        "from pipeline.tracking.store import Store\n"
        "store = Store('portraits')\n"
        "run = store.open({'seed': 0}, {})\n"
        "rows = [{'step': s, 'train_loss': s / 7} for s in range(1001)]\n"
        "log_curve(store, run, rows, {})"
    )
    clones = [project / "a", project / "b"]
    for clone in clones:
        (clone / ".dvc").mkdir(parents=True)
    file = project / ODD / "mlflow.db"
    uri = mlflow_sqlite.database_uri(file)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    writers = [
        subprocess.Popen([sys.executable, "-c", code], cwd=clone, stderr=subprocess.PIPE)
        for clone in clones
    ]
    errors = [writer.communicate(timeout=200)[1].decode() for writer in writers]
    assert all(writer.returncode == 0 for writer in writers), errors
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("portraits")
    assert experiment.artifact_location == mlflow_sqlite.artifact_location(file)
    assert {path.name for path in file.parent.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
    assert {path.name for path in project.iterdir()} == {".dvc", "mlflow.db", "a", "b", ODD}
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    for run in runs:
        assert points(client, run, "train/loss") == [(step, step / 7) for step in range(1001)]


@pytest.mark.parametrize(
    ("error", "state"), [(FloatingPointError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_training_that_goes_on_has_one_run_with_each_point_once(store, error, state):
    with pytest.raises(error):
        train([{"step": 0, "train_psnr": 1.0}, *rows(5, 10)], error)
    failed = the_run(store, state, 5, 10)
    measured = times(store, [failed])
    assert failed.data.params == {"seed": "0", "train.optimizer": "muon"}

    train(rows(10, 15), begun=rows(5))  # the last checkpoint was before step 10
    again = the_run(store, "SCHEDULED", 5, 10, 15)
    assert again.info.run_id == failed.info.run_id
    assert measured.items() < times(store, [again]).items()


def test_points_have_the_time_when_they_were_measured_and_the_speed_since_the_last(
    store, monkeypatch
):
    """Also those of a fine-tuning, which begins on another day; nobody trained in between."""
    clock = Mock(side_effect=[1e9, 1e9 + 4, 2e9, 2e9 + 5])
    monkeypatch.setattr(live, "time", Mock(time=clock))
    train(rows(10, 20))
    run = the_run(store, "SCHEDULED", 10, 20)
    assert times(store, [run]) == {10: 1e12, 20: 1e12 + 4000}
    assert points(store.client, run, "train/steps_per_second") == [(20, 2.5)]
    train(rows(30, 40), key="further", begun=rows(10, 20), earlier="key")
    run = the_run(store, "SCHEDULED", 10, 20, 30, 40, key="further")
    assert times(store, [run]) == {10: 1e12, 20: 1e12 + 4000, 30: 2e12, 40: 2e12 + 5000}
    assert points(store.client, run, "train/steps_per_second") == [(40, 2)]


@pytest.mark.parametrize("state", ["SCHEDULED", "FINISHED"])
def test_a_training_whose_result_is_there_reports_nowhere(store, state):
    train(rows(5, 10))
    store.move(the_run(store, "SCHEDULED", 5, 10).info.run_id, RunState(state))
    train(rows(15))
    the_run(store, state, 5, 10)


def test_what_continues_a_training_has_all_its_rows_and_replaces_its_run(store):
    train(rows(5, 10))
    train(rows(10, 15), key="further", begun=rows(5), earlier="key")
    assert store.runs(TRAINING_KEY, "key") == []
    run = the_run(store, "SCHEDULED", 5, 10, 15, key="further")
    assert run.data.params == {"seed": "0", "train.optimizer": "muon", "finetune.steps": "5"}

    store.move(run.info.run_id, RunState.FINISHED)  # published: it stays
    train(rows(20), key="from another", begun=rows(5), earlier="further")
    the_run(store, "FINISHED", 5, 10, 15, key="further")


@pytest.mark.parametrize("failing", ["create_run", "log_batch", "search_runs"])
def test_reports_that_fail_are_repeated_and_nothing_is_lost_or_double(
    store, monkeypatch, capsys, failing
):
    """A locked database, an expired token: the first request fails, the third after its work."""
    train(rows(5), key="earlier")
    measured = times(store, store.runs(TRAINING_KEY, "earlier"))
    done, calls = getattr(MlflowClient, failing), []

    def unsteady(self, *args, **kwargs):
        calls.append(failing)
        if len(calls) == 1:
            raise MlflowException("database is locked")
        result = done(self, *args, **kwargs)
        if len(calls) == 3:
            raise MlflowException("the answer was lost")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, failing, unsteady)
        patch.setattr(live, "GRACE", 30.0)
        patch.setattr(live, "_LONGEST_PAUSE", 0.01)
        train(rows(10, 15), begun=rows(5), earlier="earlier")
    assert store.runs(TRAINING_KEY, "earlier") == []
    run = the_run(store, "SCHEDULED", 5, 10, 15)
    assert measured.items() <= times(store, [run]).items()
    assert run.data.params == {"seed": "0", "train.optimizer": "muon", "finetune.steps": "5"}
    assert capsys.readouterr().err.count("WARNING: MLflow cannot be reached") == 1


def test_no_server_holds_training_up(project, monkeypatch, capsys):
    monkeypatch.setattr(live, "GRACE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (9, silent.getsockname()[1]):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
            begin = time.monotonic()
            train(rows(0))
            assert time.monotonic() - begin < live.GRACE + 1
    assert "WARNING: MLflow cannot be reached, training goes on" in capsys.readouterr().err


def test_a_run_is_failed_when_its_process_has_died_and_the_training_goes_on_in_it(store):
    somebodys = store.client.create_run(store.experiment_id)
    run = store.open(PARAMS, {TRAINING_KEY: "key"})
    with place.lock("key"):  # which the kernel frees when a process dies
        store.mark_crashed()
        the_run(store, "RUNNING")
    store.mark_crashed()
    the_run(store, "FAILED")
    assert store.client.get_run(somebodys.info.run_id).info.status == "RUNNING"
    train(rows(5))
    assert the_run(store, "SCHEDULED", 5).info.run_id == run.info.run_id


def test_a_moved_project_is_the_same_place_and_a_copied_one_another(project, monkeypatch):
    place.lock("key").acquire()
    here = place.identity()
    shutil.copytree(project, project.with_name("copy"), copy_function=shutil.copy2)
    moved = project.with_name("moved")
    project.rename(moved)
    monkeypatch.chdir(moved)
    assert place.identity() == here
    monkeypatch.chdir(project.with_name("copy"))
    assert place.identity() != here


def test_deleted_experiment_is_one_clear_error(store):
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(StageError, match=r"portraits.*was deleted.*restore"):
        Store("portraits")
