"""Stage check: what is missing is named before anything is removed, and only where it is needed."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from pipeline import check, evaluate, fetch, finetune, grayscale_and_degrade, train
from pipeline.stage import StageError, paths
from pipeline.stage import params as parameters
from pipeline.stage.inputs import params_of
from pipeline.stage.record import Evaluated
from tests.pipeline.experiment import write_experiment
from tests.support import small_project
from tests.support.git import commit_all, git
from tests.support.params import declare_stages, params_with, write_params


@pytest.fixture(autouse=True)
def in_project(project, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(project / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    declare_stages(project)


def test_the_defaults_need_nothing():
    check.main(params_with())
    check.main(params_with({"loss.perceptual_weight": 0.01}))


@pytest.mark.parametrize("weight", [0.0, 0.01])
def test_what_made_the_results_that_are_there_may_be_gone(weight):
    given = {
        "data.source": "folder",
        "data.path": "photos",
        "train.init": "gone.safetensors",
        "loss.perceptual_weight": weight,
        "loss.vgg19_weights": "gone.pth",
    }
    params = params_with(given)
    write_experiment(params=params)
    meta = {"params": params_of("fetch", params)}
    (paths.RAW / "meta.json").write_text(json.dumps(meta))
    Evaluated(params_of("evaluate", params), pairs="", weights="").write(paths.EVALUATED)
    check.main(params)
    with pytest.raises(StageError, match=r"gone\.safetensors"):  # train's own are the same
        check.main(params_with(given | {"degrade.noise_sigma": 1.0}))
    paths.TRAINED.unlink()  # mix asks for neither, but evaluate does
    with pytest.raises(StageError, match=r"gone\.pth"):
        check.main(params)
    paths.TUNED.record.unlink()
    with pytest.raises(StageError, match=r"gone\.pth"):
        check.main(params)


@pytest.fixture
def changed(project, whole_project):
    """A small project after `grayscale-and-degrade`; gives it other parameters."""
    shutil.copytree(whole_project, project, dirs_exist_ok=True)
    for folder in ("models", "metrics"):
        shutil.rmtree(project / folder)

    def changed(changes):
        write_params(project, small_project.PARAMS | changes)
        return parameters.load()

    return changed


PERCEPTUAL = {"loss.perceptual_weight": 0.01, "finetune.patch_size": 32}
REFUSED = {
    "no folder": (fetch, {"data.path": "nowhere"}),
    "one source": (fetch, {"data.group_by": "png"}),
    "no source for a split": (fetch, {"data.group_by": "^.", "data.split_salt": 1}),
    "no hub": (fetch, {"data.source": "celeba-hq"}),
    "scale": (grayscale_and_degrade, {"degrade.scale": 8}),
    "no picture for a split": (grayscale_and_degrade, {"data.split_salt": 4}),
    "patch": (grayscale_and_degrade, {"train.patch_size": 64}),
    "patch, to train": (train, {"train.patch_size": 64}),
    "patch, to fine-tune": (
        grayscale_and_degrade,
        {"train.patch_size": 24, "finetune.patch_size": 64, "finetune.control": True},
    ),
    "no GPU": (train, {"machine.device": "cuda"}),
    "processes": (train, {"machine.processes": 7}),
    "no weights to begin with": (train, {"train.init": "no.safetensors"}),
    "no weights": (finetune, {"loss.vgg19_weights": "no.pth"}),
    "weights of another network": (finetune, PERCEPTUAL | {"loss.vgg19_weights": "photos/0.png"}),
    "no weights to download": (finetune, PERCEPTUAL | {"loss.vgg19_weights": "imagenet"}),
    "patches for processes": (finetune, PERCEPTUAL | {"machine.processes": 3}),
    "no test set": (evaluate, {"evaluate.test_sets": {"S": "nowhere"}}),
    "no GPU to evaluate on": (evaluate, {"machine.device": "cuda"}),
    "weights to judge with": (evaluate, {"loss.vgg19_weights": "photos/0.png"}),
    "no LPIPS": (evaluate, {"evaluate.lpips": True}),
}


@pytest.mark.parametrize(("stage", "changes"), REFUSED.values(), ids=REFUSED)
def test_what_a_stage_stops_at_is_said_first(changed, monkeypatch, stage, changes):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    params = changed(changes)
    with pytest.raises(StageError) as early:
        check.main(params)
    with pytest.raises(StageError) as late:
        stage.main(params)
    assert str(early.value).split(";")[0] == str(late.value).split(";")[0]


def test_as_many_processes_as_gpus_are_known_before(changed, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    nine = {"machine.processes": 9, "train.batch_size": 9}
    with pytest.raises(StageError, match=r"machine\.processes is 9, but this machine has 8 GPUs"):
        check.main(changed({"machine.device": "cuda", **nine}))
    check.main(changed({"machine.device": "cpu", **nine}))


def test_data_of_other_parameters_or_damaged_refuse_nothing(changed):
    check.main(
        changed({"data.source": "samples", "data.split_salt": 12802188, "train.patch_size": 64})
    )
    (paths.RAW / "index.csv").write_text("damaged")
    check.main(changed({"train.patch_size": 64}))


def test_an_experiment_that_dvc_would_lose_in_a_shallow_clone_is_stopped(project, monkeypatch):
    origin = project / "origin"
    origin.mkdir()
    for _ in range(2):
        commit_all(origin)
    git("clone", "-q", "--depth", "1", origin.as_uri(), "clone")
    copy = project / "clone/.dvc/tmp/exps/standalone/tmp1"
    (copy / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(project / "clone")
    declare_stages(copy)
    declare_stages(Path())
    check.main(params_with())  # without --temp DVC loses nothing
    monkeypatch.chdir(copy)
    with pytest.raises(StageError, match=r"shallow clone.*`git fetch --unshallow`"):
        check.main(params_with())
    git("fetch", "-q", "--unshallow", folder=project / "clone")
    check.main(params_with())
