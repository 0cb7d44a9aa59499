"""Fine-tuning goes on from the network of `train`, or passes it on; `mix` mixes the weights."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pipeline import finetune, mix, stage, train
from pipeline.stage import paths
from pipeline.stage.record import Trained
from pipeline.training.checkpoints import Checkpoints
from tests.support import small_project
from tests.support.params import write_params
from tests.support.paths import ROOT

PERCEPTUAL = {
    "loss.perceptual_weight": 0.1,
    "loss.perceptual_layers": {"relu1_2": 1.0},
    "loss.vgg19_weights": "random",
}

CONTROL = {"finetune.control": True}


@pytest.fixture
def project(whole_project, tmp_path, monkeypatch):
    """A small project after `train`, in the current folder."""
    shutil.copytree(whole_project, tmp_path, dirs_exist_ok=True)
    small_project.enter(tmp_path, monkeypatch)
    for path in (*paths.TUNED.results, paths.TUNED.record, paths.WEIGHTS, paths.TRAINED):
        path.unlink()
    return tmp_path


def tune(changes: dict[str, object]) -> list[bytes]:
    """Run `finetune` with other parameters, by their dotted names; its results."""
    write_params(Path(), small_project.PARAMS | changes)
    stage.run(finetune.main)
    return [path.read_bytes() for path in paths.TUNED.results]


def test_without_further_terms_the_network_is_passed_on_bit_for_bit_and_without_pytorch(project):
    code = (
        "import sys; from pipeline import finetune, stage\n"
        "stage.run(finetune.main); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    for passed_on, of_train in zip(paths.TUNED.results, paths.PIXEL.results, strict=True):
        assert passed_on.read_bytes() == of_train.read_bytes()
    before, after = (Trained.read(files.record) for files in (paths.PIXEL, paths.TUNED))
    assert (after.key, after.best) == (before.key, before.best)
    assert after.params["loss.perceptual_weight"] == 0
    assert not [name for name in after.params if name.startswith("finetune.")]

    stage.run(mix.main, "mix")
    assert paths.WEIGHTS.read_bytes() == paths.PIXEL.weights.read_bytes()


def test_the_curve_goes_on_from_the_steps_of_train(project):
    tune(PERCEPTUAL)
    before, curve = pd.read_csv(paths.PIXEL.curve), pd.read_csv(paths.TRAINING_CURVE)
    assert list(curve["step"]) == [0, 2, 4, 6, 8]
    shared = [name for name in before.columns if name != "val_loss"]
    # at its last step `train` has a second row of scores: of the same network, by all of the loss
    pd.testing.assert_frame_equal(curve.loc[:2, shared], before[shared])
    further = curve.loc[3:]
    others = further["train_perceptual_weighted"] + further["train_lattice_weighted"]
    summed = further["train_pixel"] + others
    assert further["train_loss"].to_list() == pytest.approx(summed.to_list())
    assert (further["train_perceptual_weighted"] > 0).all()
    assert load_file(paths.SNAPSHOTS)["steps"].tolist()[-1] == 8
    record = Trained.read(paths.TUNED.record)
    assert record.best["step"] in (4, 6, 8)
    assert record.params["train.steps"] == record.params["finetune.steps"] == 4


def test_a_fine_tuning_that_was_killed_ends_in_the_same_bits(project, monkeypatch, capsys):
    changes = PERCEPTUAL | {"train.checkpoint_every": 1}
    save = Checkpoints.save

    def killed(self, state):
        save(self, state)
        if state["step"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", killed)
        with pytest.raises(SystemExit):
            tune(changes)
    assert not paths.TUNED.weights.exists()
    continued = tune(changes)
    assert "Continuing at step 3 of 4." in capsys.readouterr().out
    assert tune(changes) == continued
    assert "Continuing" not in capsys.readouterr().out


def test_the_control_makes_further_steps_by_the_pixel_loss_or_with_none_of_train_all(project):
    write_params(project, small_project.PARAMS | {"train.steps": 0})
    stage.run(train.main)
    assert list(pd.read_csv(paths.PIXEL.curve)["step"]) == [0]
    tune(CONTROL | {"train.steps": 0})
    curve = pd.read_csv(paths.TRAINING_CURVE)
    assert list(curve["step"]) == [0, 2, 4]
    assert not [name for name in curve if "_weighted" in name]
    assert curve["train_loss"].to_list()[1:] == curve["train_pixel"].to_list()[1:]
    assert Trained.read(paths.TUNED.record).params["finetune.control"] is True


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_mix_is_the_mean_of_both_networks_weights_by_their_shares(project, share):
    tuned = tune(CONTROL | {"finetune.mix": share})[0]
    stage.run(mix.main, "mix")
    first, last = load_file(paths.PIXEL.weights), load_file(paths.TUNED.weights)
    for name, mixed in load_file(paths.WEIGHTS).items():
        torch.testing.assert_close(mixed, (1 - share) * first[name] + share * last[name])
    assert any((first[name] != last[name]).any() for name in first)
    if share == 1:
        assert paths.WEIGHTS.read_bytes() == tuned
    record = Trained.read(paths.TRAINED, paths.WEIGHTS)
    assert record.params["finetune.mix"] == share
