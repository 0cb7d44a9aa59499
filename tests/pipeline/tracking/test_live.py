"""Reporting to MLflow: concurrent creation of the store, and trouble that training survives."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.stage import StageError
from pipeline.tracking import database, live, owner
from pipeline.tracking.store import HEARTBEAT, OWNER, STATE, TRAINING_KEY, Store

ROOT = Path(__file__).resolve().parents[3]
PARAMS = {"seed": 0, "train.optimizer": "muon"}


def rows(*steps):
    return [{"step": step, "train_loss": 1 / (1 + step)} for step in steps]


def train(reported, error=None, key="key", earlier=None):
    """A training that reports these rows and ends, with an error if one is given."""
    more = {"finetune.steps": 5} if earlier else {}
    with live.reporting("portraits", PARAMS | more, key, earlier) as report:
        for row in reported:
            report(row)
        if error:
            raise error


def reported_steps(store, run):
    history = store.client.get_metric_history(run.info.run_id, "train/loss")
    return sorted(point.step for point in history)


def foreign():
    """The owner of a run on a host that cannot be looked at."""
    return "/".join(["host-b", "boot", "pid", "1", "1"])


def test_store_created_by_two_clones_at_once_is_whole(project):
    """They share the database, and the lock beside it."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pipeline.tracking.store import Store\n"
        "store = Store('portraits')\n"
        "run = store.create({'seed': 0}, {})\n"
        "store.log_curve(run.info.run_id, [{'step': s, 'train_loss': s / 7} for s in range(3000)])"
    )
    clones = [project / "a", project / "b"]
    for clone in clones:
        (clone / ".dvc").mkdir(parents=True)
    uri = f"sqlite:///{project / 'shared/mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        writers = [
            subprocess.Popen([sys.executable, "-c", code], cwd=clone, stderr=subprocess.PIPE)
            for clone in clones
        ]
    errors = [writer.communicate(timeout=200)[1].decode() for writer in writers]
    assert all(writer.returncode == 0 for writer in writers), errors
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("portraits")
    assert experiment.artifact_location == str(project / "shared/mlartifacts")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    for run in runs:
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert [(point.step, point.value) for point in history] == [
            (step, step / 7) for step in range(3000)
        ]


def test_failed_training_leaves_a_failed_run_and_goes_on_in_it(store):
    with pytest.raises(FloatingPointError):
        train([{"step": 0, "train_psnr": 1.0}, *rows(5)], FloatingPointError)
    (failed,) = store.runs(TRAINING_KEY, "key")
    assert failed.info.status == "FAILED"
    assert failed.data.params == {"seed": "0", "train.optimizer": "muon"}

    train(rows(5, 10))
    (again,) = store.runs(TRAINING_KEY, "key")
    assert again.info.run_id == failed.info.run_id
    assert (again.info.status, again.data.tags[STATE]) == ("RUNNING", "trained")
    assert reported_steps(store, again) == [5, 10]

    train(rows(5))
    assert len(store.runs(TRAINING_KEY, "key")) == 1


def test_the_run_of_a_training_is_taken_over_by_what_continues_it_unless_it_was_published(store):
    train(rows(5, 10))
    (first,) = store.runs(TRAINING_KEY, "key")
    train(rows(15), key="further", earlier="key")
    (run,) = store.runs(TRAINING_KEY, "further")
    assert run.info.run_id == first.info.run_id
    assert run.data.params == {"seed": "0", "train.optimizer": "muon", "finetune.steps": "5"}
    assert run.data.tags[STATE] == "trained"
    assert reported_steps(store, run) == [5, 10, 15]

    train(rows(5), key="another")
    (published,) = store.runs(TRAINING_KEY, "another")
    store.tag(published.info.run_id, {STATE: "published"})
    train(rows(15), key="from another", earlier="another")
    (run,) = store.runs(TRAINING_KEY, "from another")
    assert run.info.run_id != published.info.run_id
    assert reported_steps(store, run) == [15]


@pytest.mark.parametrize("failing", ["create_run", "log_batch", "search_runs"])
def test_reports_that_fail_are_repeated_and_nothing_is_lost_or_double(
    store, monkeypatch, capsys, failing
):
    """A locked database, an expired token: the first request fails, the third after its work."""
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
        train(rows(5, 10, 15))
    (run,) = store.runs(TRAINING_KEY, "key")
    assert run.data.tags[STATE] == "trained"
    assert run.data.params == {"seed": "0", "train.optimizer": "muon"}
    assert reported_steps(store, run) == [5, 10, 15]
    assert capsys.readouterr().err.count("WARNING: MLflow cannot be reached") == 1


def test_a_run_whose_creation_was_cut_short_is_completed(store):
    store.client.create_run(
        store.experiment_id, tags={TRAINING_KEY: "key", STATE: "training", OWNER: owner.current()}
    )
    train(rows(5))
    (run,) = store.runs(TRAINING_KEY, "key")
    assert run.data.params == {"seed": "0", "train.optimizer": "muon"}
    assert run.data.tags[STATE] == "trained"


@pytest.fixture
def silent_server():
    """The URI of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []
        threading.Thread(
            target=lambda: [kept.append(server.accept()) for _ in range(20)], daemon=True
        ).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_no_server_holds_training_up(project, monkeypatch, capsys, silent_server):
    monkeypatch.setattr(live, "GRACE", 1.0)
    for uri in ("http://127.0.0.1:9", silent_server):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        begin = time.monotonic()
        with live.reporting("portraits", PARAMS, "key") as report:
            report({"step": 0, "train_loss": 1.0})
            assert time.monotonic() - begin < 1
        assert time.monotonic() - begin < live.GRACE + 1
    assert "WARNING: MLflow cannot be reached, training goes on" in capsys.readouterr().err


def test_only_runs_of_dead_processes_are_buried(store):
    mine = owner.current()
    dead = mine.rpartition("/")[0] + "/1"
    owners = {"alive": mine, "dead": dead, "elsewhere": foreign()}
    runs = {
        name: store.client.create_run(store.experiment_id, tags={OWNER: process})
        for name, process in owners.items()
    }
    runs["somebody's own"] = store.client.create_run(store.experiment_id)
    store.bury_the_dead()
    status = {name: store.client.get_run(r.info.run_id).info.status for name, r in runs.items()}
    assert status == dict.fromkeys(runs, "RUNNING") | {"dead": "FAILED"}


@pytest.mark.parametrize("beats", [True, False])
def test_a_run_of_another_host_lives_as_long_as_its_heart_beats(store, monkeypatch, beats):
    monkeypatch.setattr(live, "LEASE", 1.5)
    monkeypatch.setattr(live, "BEAT", 0.2)
    tags = {OWNER: foreign(), STATE: "training", TRAINING_KEY: "key", HEARTBEAT: "first"}
    other = store.client.create_run(store.experiment_id, tags=tags).info.run_id
    with live.reporting("portraits", PARAMS, "key") as report:
        report(rows(5)[0])
        until = time.monotonic() + 4
        while time.monotonic() < until:
            time.sleep(0.2)
            if beats:
                store.tag(other, {HEARTBEAT: f"{time.monotonic()}"})
    runs = store.runs(TRAINING_KEY, "key")
    assert len(runs) == 1
    # The dead one's run is taken over, as that of a training which was interrupted here would be.
    assert runs[0].data.tags[OWNER] == (foreign() if beats else owner.current())
    assert runs[0].data.tags[STATE] == ("training" if beats else "trained")


def test_deleted_experiment_is_one_clear_error(store):
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(StageError, match=r"portraits.*was deleted.*restore"):
        Store("portraits")


@pytest.mark.parametrize("where", [".", ".dvc/tmp/exps/tmpabc"])
def test_a_relative_store_is_the_original_projects(project, monkeypatch, where):
    (project / where / ".dvc").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(project / where)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///sub/x.db")
    assert database.tracking_uri() == f"sqlite:///{project / 'sub/x.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/x.db")
    assert database.tracking_uri() == "sqlite:////elsewhere/x.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert database.tracking_uri() == "http://host:5000"
