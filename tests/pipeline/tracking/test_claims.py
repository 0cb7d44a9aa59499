"""Which run an experiment is published in, when other processes and hosts publish it, too."""

import os

import pytest
from mlflow import MlflowClient

from pipeline import register
from pipeline.stage import paths
from pipeline.stage.record import Trained
from pipeline.tracking import claims, owner, registry
from pipeline.tracking.store import (
    CONTENT_KEY,
    HEARTBEAT,
    OWNER,
    STATE,
    TRAINING_KEY,
    TRAINING_RUN,
    name_tag,
)
from srcnn import model_files
from srcnn.registry import names_in
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs, check_whole, versions


def _register(experiment, monkeypatch, beating):
    """Publish with a short lease, while the heart of that run's process beats, if it is given."""
    done, seen = MlflowClient.get_run, []

    def get_run(client, run_id):
        experiment.tag(beating, {HEARTBEAT: str(len(seen))})
        seen.append(run_id)
        return done(client, run_id)

    with monkeypatch.context() as patch:
        patch.setattr(claims, "LEASE", 1.0)
        patch.setattr(claims, "BEAT", 0.3)
        if beating:
            patch.setattr(MlflowClient, "get_run", get_run)
        register.main(load_params())


def _as_published_by(experiment, process, **tags):
    """The run of an experiment, as if that process were still publishing it."""
    register.main(load_params())
    (run,) = all_runs(experiment)
    (version,) = versions(experiment)
    experiment.client.delete_model_version("srcnn", version.version)
    experiment.client.update_run(run.info.run_id, "RUNNING")
    experiment.tag(run.info.run_id, {STATE: "publishing", OWNER: process} | tags)
    return run


def test_what_a_live_process_is_publishing_is_left_to_it(experiment, capsys):
    parent = owner.current().split("/")
    parent[3:] = [str(os.getppid()), owner._start(os.getppid())]
    run = _as_published_by(experiment, "/".join(parent))
    capsys.readouterr()
    register.main(load_params())
    assert f"Another process is publishing this experiment: run {run.info.run_id}" in (
        capsys.readouterr().out
    )
    assert versions(experiment) == []


@pytest.mark.parametrize("beats", [True, False])
def test_what_another_host_was_publishing_is_taken_up_when_its_heart_stops(
    experiment, monkeypatch, beats
):
    run = _as_published_by(experiment, "host-b/boot/pid/1/1", **{HEARTBEAT: "1"})
    _register(experiment, monkeypatch, run.info.run_id if beats else None)
    (after,) = all_runs(experiment)
    assert after.info.run_id == run.info.run_id
    assert len(versions(experiment)) == (0 if beats else 1)
    assert after.info.status == ("RUNNING" if beats else "FINISHED")


@pytest.mark.parametrize("beats", [True, False])
def test_what_another_host_was_training_is_taken_up_when_its_heart_stops(
    experiment, monkeypatch, beats
):
    """If it goes on, this one publishes without it, and the other will find that published."""
    tags = {TRAINING_KEY: Trained.read(paths.TRAINED).key, STATE: "training", HEARTBEAT: "1"}
    other = experiment.create({"seed": 0}, tags | {OWNER: "host-b/boot/pid/1/1"}).info.run_id
    _register(experiment, monkeypatch, other if beats else None)
    runs = {run.info.run_id: run for run in all_runs(experiment)}
    if beats:
        assert runs.pop(other).info.status == "RUNNING"
    (run,) = runs.values()
    check_whole(experiment, run)
    assert (run.info.run_id == other) == (not beats)
    assert TRAINING_RUN not in run.data.tags


def test_two_hosts_that_published_the_same_keep_the_first_with_all_names(experiment, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "first")
    register.main(load_params())
    (first,) = all_runs(experiment)
    monkeypatch.setenv("DVC_EXP_NAME", "second")
    with monkeypatch.context() as patch:  # the other host does not see the first one's run
        patch.setattr(claims, "_decide", _create_blindly)
        register.main(load_params())
    (run,) = all_runs(experiment)
    assert run.info.run_id == first.info.run_id
    assert names_in(run.data.tags) == ["first", "second"]
    check_whole(experiment, run)


def test_a_third_host_settles_what_two_left_with_the_names_of_all(experiment, monkeypatch):
    """The two do not see each other's run; each is then merged by who comes later."""
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_decide", _create_blindly)
        patch.setattr(register, "settle", lambda store, content: all_runs(store)[0])
        for name in ("a", "b"):
            patch.setenv("DVC_EXP_NAME", name)
            register.main(load_params())
    assert len(all_runs(experiment)) == 2
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_decide", _create_blindly)
        patch.setenv("DVC_EXP_NAME", "c")
        register.main(load_params())
    (run,) = all_runs(experiment)
    assert names_in(run.data.tags) == ["a", "b", "c"]


def test_an_experiment_of_a_thousand_names_keeps_all(experiment, monkeypatch):
    register.main(load_params())
    (run,) = all_runs(experiment)
    names = [f"a-branch-of-some-length-{i:04d}" for i in range(1000)]
    tags = {tag: value for name in names for tag, value in name_tag(name).items()}
    experiment.tag(run.info.run_id, tags)
    monkeypatch.setenv("DVC_EXP_NAME", "the-last")
    register.main(load_params())
    (run,) = all_runs(experiment)
    assert names_in(run.data.tags) == [*names, "no-commit", "the-last"]
    assert model_files.load("the-last").run_id == run.info.run_id


def _create_blindly(store, key, params, content, alive):
    tags = {CONTENT_KEY: content, TRAINING_KEY: key, STATE: "publishing"}
    return store.create(params, tags), True


def test_a_run_that_two_hosts_claimed_at_once_is_left_to_the_last(experiment, monkeypatch, capsys):
    logged = register._log_results

    def log_results(store, run_id, of):
        logged(store, run_id, of)
        store.tag(run_id, {OWNER: "host-b/boot/pid/1/1"})

    monkeypatch.setattr(register, "_log_results", log_results)
    register.main(load_params())
    (run,) = all_runs(experiment)
    assert f"Another process is publishing this experiment: run {run.info.run_id}" in (
        capsys.readouterr().out
    )
    assert run.data.tags[STATE] == "publishing"
    assert versions(experiment) == []


def test_two_hosts_that_registered_the_same_run_keep_the_first_version(experiment, monkeypatch):
    made = registry._log_and_register

    def register_after_another_host(*args):
        made(*args)
        return made(*args)

    monkeypatch.setattr(registry, "_log_and_register", register_after_another_host)
    register.main(load_params())
    (run,), (version,) = all_runs(experiment), versions(experiment)
    check_whole(experiment, run)
    assert str(version.version) == "1"
