"""Which run an experiment is in, when its training, other processes and other hosts have theirs."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from pipeline import register
from pipeline.stage import paths
from pipeline.stage.record import Trained
from pipeline.tracking import live, place, publication
from pipeline.tracking.experiment import Experiment
from pipeline.tracking.store import TRAINING_KEY, RunState, name_tag
from srcnn.inference import mlflow_sqlite, model_files
from srcnn.inference.mlflow_models import names_in
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs, check_whole, versions

SHOWN = {"seed": 0, "train.patch_size": 24}


def train():
    """Report the experiment's training, in part, as the stage `train` does."""
    key = Trained.read(paths.TRAINED).key
    with live.reporting(load_params().tracking.experiment, SHOWN, key) as report:
        report({"step": 0, "val_psnr": 28.5})
        report({"step": 5, "train_loss": 0.0018})


def as_host(patch, name):
    """Work as another host does: another name, other locks."""
    patch.setenv("DVC_EXP_NAME", name)
    patch.setattr(place, "identity", lambda: name)
    patch.setattr(mlflow_sqlite, "lock_file", lambda _: paths.PARAMS.with_name(f"{name}.lock"))


def test_a_run_of_another_place_is_left_to_it(experiment, monkeypatch):
    with monkeypatch.context() as patch:
        as_host(patch, "host-b")
        train()
        (other,) = all_runs(experiment)
    register.main(load_params())
    runs = {run.info.run_id: run for run in all_runs(experiment)}
    assert runs.pop(other.info.run_id).info.status == "SCHEDULED"
    (run,) = runs.values()
    check_whole(experiment, run)


def test_an_equal_experiment_adds_its_name_and_leaves_no_run_of_its_own(published, monkeypatch):
    (first,) = all_runs(published)
    as_host(monkeypatch, "equal")
    key = Trained.read(paths.TRAINED).key
    published.open(SHOWN, {TRAINING_KEY: key}, RunState.SCHEDULED)  # its training began before
    register.main(load_params())
    (run,) = all_runs(published)
    assert run.info.run_id == first.info.run_id
    assert names_in(run.data.tags) == ["equal", "no-commit"]
    check_whole(published, run)


@pytest.mark.parametrize("dies", [False, True])
def test_what_two_hosts_publish_at_once_is_one_run_with_the_names_of_both(
    experiment, monkeypatch, dies
):
    """One publishes all of it while the other does. `dies`: the other then has to begin again."""
    logged = publication._log_results

    def meanwhile(*args):
        logged(*args)
        monkeypatch.setattr(publication, "_log_results", logged)
        with monkeypatch.context() as patch:
            as_host(patch, "host-b")
            register.main(load_params())
        if dies:
            raise KeyboardInterrupt

    monkeypatch.setattr(publication, "_log_results", meanwhile)
    as_host(monkeypatch, "host-a")
    if dies:
        with pytest.raises(KeyboardInterrupt):
            register.main(load_params())
        assert len(all_runs(experiment)) == 2
    register.main(load_params())
    (run,) = all_runs(experiment)
    assert names_in(run.data.tags) == ["host-a", "host-b"]
    assert run.info.run_name == ("host-b" if dies else "host-a")  # the first to begin of the whole
    assert len(versions(experiment)) == 1
    check_whole(experiment, run)


def test_every_result_and_parameter_of_the_evaluation_is_part_of_an_experiment(experiment):
    trained = Trained.read(paths.TRAINED)
    given = Experiment(trained, {"evaluate.lpips": False}, {}, pd.DataFrame(), None)
    contents = {given.content, replace(given, params={"evaluate.lpips": True}).content}
    for path in (paths.WEIGHTS, paths.PER_IMAGE, paths.EVALUATION):
        path.write_bytes(path.read_bytes() + b" ")
        contents.add(given.content)
    assert len(contents) == 5


def test_an_experiment_of_hundreds_of_names_keeps_all(published, monkeypatch):
    (run,) = all_runs(published)
    names = [f"a-branch-of-some-length-{i:04d}" for i in range(300)]  # more than a tag can hold
    tags = {tag: value for name in names for tag, value in name_tag(name).items()}
    published.tag(run.info.run_id, tags)
    monkeypatch.setenv("DVC_EXP_NAME", "the-last")
    register.main(load_params())
    (run,) = all_runs(published)
    assert names_in(run.data.tags) == [*names, "no-commit", "the-last"]
    assert model_files.load("the-last").run_id == run.info.run_id


def test_pictures_of_the_training_are_logged_by_steps_once(published):
    register.main(load_params())
    (run,) = all_runs(published)
    assert run.data.tags["mlflow.loggedImages"] == "True"
    files = [file.path for file in published.client.list_artifacts(run.info.run_id, "images")]
    shown = [tuple(file.split("+")[:3]) for file in files if file.endswith(".png")]
    assert sorted(shown) == [
        (f"images/{split} 1 {kind}", "step", str(step))
        for split in ("training", "validation")
        for kind in ("HR", "SR", "bicubic")
        for step in (0, 10)
    ]
    assert len(files) == 2 * len(shown)  # each with a small one


def test_the_charts_of_mlflows_pages_are_of_what_runs_have(published):
    (run,) = all_runs(published)
    tags = published.client.get_experiment(published.experiment_id).tags
    state = json.loads(tags["mlflow.sharedViewState.results"])
    charts = state["compareRunCharts"]
    assert charts[0]["metricKey"] == "val/psnr"
    shown = {chart["metricKey"] for chart in charts if chart["type"] != "IMAGE"}
    assert shown <= run.data.metrics.keys()
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in charts} == sections
