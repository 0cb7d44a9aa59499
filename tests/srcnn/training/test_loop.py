import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from srcnn import hardware
from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, PairsWriter
from srcnn.networks import NETWORKS, SRCNN
from srcnn.training.curve import Past, validation_score
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.optim import Optimization
from srcnn.training.settings import DivergedError, Settings
from srcnn.training.validation import Validation
from tests.support.models import network

SHORT = Settings(
    steps=12, batch_size=4, patch_size=20, log_every=3, validate_every=4, val_pictures=2
)


@pytest.fixture(autouse=True)
def deterministic():
    hardware.make_deterministic(1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Sharp-edged shapes: bicubic blurs them, and a network soon learns to sharpen them."""
    folder = tmp_path_factory.mktemp("training") / "pairs"
    folder.mkdir()
    with PairsWriter(folder, 2, "full") as writer:
        for i, split in enumerate(["train"] * 4 + ["val"] * 2):
            noise = np.random.default_rng(i).normal(size=(64, 48))
            hr = np.where(gaussian_filter(noise, 3) > 0, 200, 50).astype(np.uint8)
            writer.add(f"p{i}", f"p{i}", split, hr, downscale(hr, 2))
    return Pairs.open(folder)


def prepare(pairs, settings=SHORT, seed=0, loss=None):
    generator = torch.Generator().manual_seed(seed)
    model = SRCNN(2, (5, 1, 3), (8, 4), generator=generator)
    return Training(model, pairs, loss or ReconstructionLoss("mse"), settings, seed + 1)


def result(run):
    """Everything a training leaves, as bytes and plain values."""
    snapshots = {name: tensor.numpy().tobytes() for name, tensor in run.snapshots().items()}
    return run.best().to_bytes(), run.curve, snapshots


def test_same_seed_same_bits_and_other_seed_other_bits(pairs):
    runs = [prepare(pairs, seed=seed) for seed in (0, 0, 1)]
    for run in runs:
        run.fit()
    assert result(runs[0]) == result(runs[1])
    assert runs[0].best().to_bytes() != runs[2].best().to_bytes()


@pytest.mark.parametrize("optimizer", ["muon", "adam", "adamw", "sgd"])
def test_a_run_continued_from_any_checkpoint_ends_in_the_same_bits(pairs, optimizer, tmp_path):
    settings = replace(SHORT, optimization=Optimization(optimizer))
    whole, states = prepare(pairs, settings), []
    whole.fit(checkpoint=lambda state: states.append(copy.deepcopy(state)), checkpoint_every=5)
    assert [state["step"] for state in states] == [5, 10]

    for state in states:
        torch.save(state, tmp_path / "state.pt")
        continued = prepare(pairs, settings, seed=9)
        continued.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        continued.fit()
        assert result(continued) == result(whole)


def test_checkpoints_do_not_change_the_run(pairs):
    with_checkpoints, without = prepare(pairs), prepare(pairs)
    with_checkpoints.fit(checkpoint=lambda state: None, checkpoint_every=1)
    without.fit()
    assert result(with_checkpoints) == result(without)


class FailsAfter:
    """A loss that becomes `value` from a certain call on."""

    def __init__(self, calls, value):
        self.calls, self.value, self.loss = calls, value, ReconstructionLoss("mse")

    def __call__(self, sr, hr, step=None):
        self.calls -= 1
        terms = self.loss(sr, hr, step)
        return terms if self.calls >= 0 else {name: t * self.value for name, t in terms.items()}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_after_the_last_good_checkpoint(pairs, value):
    # No log point or validation between the failure and the next checkpoint at step 10.
    settings = replace(SHORT, log_every=12, validate_every=12)
    run, states = prepare(pairs, settings, loss=FailsAfter(8, value)), []

    with pytest.raises(
        DivergedError, match=r"the training loss became (nan|inf) at step 8, in its term pixel"
    ):
        run.fit(checkpoint=lambda state: states.append(copy.deepcopy(state)), checkpoint_every=5)

    assert [state["step"] for state in states] == [5]
    assert all(torch.isfinite(weight).all() for weight in states[0]["learner"]["network"].values())
    continued = prepare(pairs, settings)
    continued.load_state_dict(states[0])
    continued.fit()
    assert math.isfinite(continued.curve[-1]["train_loss"])


def test_the_curve_has_a_row_at_every_log_point_and_validation(pairs):
    run, reported = prepare(pairs), []
    run.fit(report=lambda row: reported.append(dict(row)))

    assert reported == run.curve
    assert [row["step"] for row in run.curve] == [0, 3, 4, 6, 8, 9, 12]
    assert [row["step"] for row in run.curve if "val_psnr" in row] == [0, 4, 8, 12]
    assert [row["step"] for row in run.curve if "train_loss" in row] == [3, 4, 6, 8, 9, 12]
    for row in run.curve:
        assert set(row) <= set(run.curve[-1])
        assert all(math.isfinite(value) for value in row.values())


def test_logged_losses_are_means_over_their_steps(pairs):
    fine, coarse = (prepare(pairs, replace(SHORT, log_every=every)) for every in (1, 4))
    fine.fit()
    coarse.fit()
    losses = [row["train_loss"] for row in fine.curve[1:]]
    means = [sum(losses[i : i + 4]) / 4 for i in (0, 4, 8)]
    assert [row["train_loss"] for row in coarse.curve[1:]] == pytest.approx(means)


def test_of_equal_validations_the_first_is_kept(pairs, monkeypatch):
    scores = {"val_psnr": 30.0, "val_psnr_bicubic": 29.0}
    monkeypatch.setattr(Validation, "scores", lambda self, resolver, group: scores)
    run = prepare(pairs)
    first = run.best().to_bytes()
    run.fit()
    assert run.best().to_bytes() == first
    assert run.kept["step"] == 0


class Seen:
    """A loss that keeps the HR patches that it was given."""

    def __init__(self):
        self.hr, self.loss = [], ReconstructionLoss("mse")

    def __call__(self, sr, hr, in_training=False):
        self.hr.append(hr.clone())
        return self.loss(sr, hr, in_training)


def test_patches_are_of_the_training_s_pictures_and_validated_ones_of_the_validation_s(tmp_path):
    (tmp_path / "pairs").mkdir()
    with PairsWriter(tmp_path / "pairs", 2, "full") as writer:
        for split, level in (("train", 51), ("val", 204)):
            hr = np.full((40, 40), level, np.uint8)
            writer.add(split, split, split, hr, downscale(hr, 2))
    seen = Seen()
    prepare(Pairs.open(tmp_path / "pairs"), replace(SHORT, steps=2), loss=seen).fit()
    levels = [torch.unique(hr).tolist() for hr in seen.hr]
    train, val = [pytest.approx(0.2)], [pytest.approx(0.8)]
    assert levels == [val, train, train, val]  # at step 0, two steps, at the last


def test_the_seed_decides_which_patches_are_drawn(pairs):
    drawn = []
    for seed in (1, 1, 2):
        seen = Seen()
        Training(SRCNN(2, (5, 1, 3), (8, 4)), pairs, seen, SHORT, seed).first_step()
        drawn.append(seen.hr[0])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_optimizers_are_given_the_gradient_of_kernels_of_zero_mean(pairs):
    model = SRCNN(2, (5, 1, 3), (8, 4))
    Training(model, pairs, ReconstructionLoss("mse"), SHORT, 1).fit()
    gradient = model.extract.weight.grad
    means = gradient.mean((1, 2, 3), keepdim=True)
    assert means.abs().max() < 1e-5 * gradient.abs().max()


def test_the_first_step_changes_nothing_and_shows_what_decides_the_bits(pairs):
    run, other = prepare(pairs), prepare(pairs)
    shown = run.first_step()
    assert run.first_step() == shown
    run.fit()
    other.fit()
    assert result(run) == result(other)
    with torch.backends.mkldnn.flags(enabled=False):  # as a variable for its library might
        assert prepare(pairs).first_step() != shown
    assert (
        prepare(
            pairs, replace(SHORT, optimization=Optimization(lr=2e-3, muon_lr=0.03))
        ).first_step()
        != shown
    )


def test_the_best_weights_are_those_of_the_best_validation(pairs):
    # A rate this high makes the first validations better than the last.
    settings = replace(
        SHORT, optimization=Optimization("sgd", 2.0, schedule="constant"), validate_every=1
    )
    run, weights = prepare(pairs, settings), {}
    run.fit(
        report=lambda row: weights.setdefault(row["step"], run.state_dict()["learner"]["network"]),
    )
    best = max(run.curve, key=lambda row: row["val_psnr"])
    assert best["step"] < settings.steps
    for name, tensor in run.best().model.state_dict().items():
        assert torch.equal(tensor, weights[best["step"]][name])


def test_snapshots_go_from_the_first_step_to_the_last(pairs):
    run = prepare(pairs)
    run.fit()
    snapshots = run.snapshots()
    assert snapshots["steps"].tolist() == [0, 1, 3, 6, 12]
    assert snapshots["sr"].shape == (5, 3, 48, 48)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_a_few_steps_beat_bicubic(pairs, optimizer):
    settings = Settings(
        steps=150,
        batch_size=8,
        patch_size=24,
        optimization=Optimization(optimizer, 1e-2),
        validate_every=150,
    )
    run = prepare(pairs, settings)
    run.fit()
    start, end = run.curve[0], run.curve[-1]
    assert start["val_psnr"] == pytest.approx(start["val_psnr_bicubic"], abs=0.3)
    assert end["val_psnr"] > end["val_psnr_bicubic"] + 0.5
    assert end["val_ssim"] > end["val_ssim_bicubic"]


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_the_correction_does_not_depend_on_brightness(pairs, optimizer):
    run = prepare(pairs, replace(SHORT, optimization=Optimization(optimizer)))
    run.fit()
    model = run.best().model
    x = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(x + 0.3), model(x) + 0.3, atol=1e-5, rtol=0)


def test_a_patch_that_does_not_fit_is_refused(pairs):
    with pytest.raises(ValueError, match="patch_size is 50; the smallest picture has 48"):
        prepare(pairs, replace(SHORT, patch_size=50))


def test_bfloat16_repeats_resumes_and_learns_what_float32_learns(pairs):
    settings = replace(SHORT, precision="bfloat16")
    run, again, resumed = (prepare(pairs, settings) for _ in range(3))
    states = []
    run.fit(checkpoint=lambda state: states.append(copy.deepcopy(state)), checkpoint_every=5)
    again.fit()
    resumed.load_state_dict(states[0])
    resumed.fit()
    assert result(run) == result(again) == result(resumed)

    float32 = prepare(pairs)
    float32.fit()
    assert (run.best().precision, float32.best().precision) == ("bfloat16", "float32")
    scores = [training.curve[-1]["val_psnr"] for training in (run, float32)]
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


def test_the_pixel_loss_keeps_the_highest_psnr_a_perceptual_loss_the_lowest_loss():
    rows = [{"val_loss": 0.4, "val_psnr": 27.0}, {"val_loss": 0.5, "val_psnr": 29.0}]
    assert max(rows, key=validation_score) is rows[1]
    rows = [row | {"val_perceptual_weighted": 0.1} for row in rows]
    assert max(rows, key=validation_score) is rows[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_trains_resumes_and_repeats(pairs, name):
    runs = [
        Training(network(name, 2), pairs, ReconstructionLoss(), SHORT, seed=1) for _ in range(2)
    ]
    states = []
    runs[0].fit(checkpoint=lambda state: states.append(copy.deepcopy(state)), checkpoint_every=5)
    runs[1].load_state_dict(states[0])
    runs[1].fit()
    assert result(runs[0]) == result(runs[1])
    assert runs[0].curve[-1]["val_loss"] < runs[0].curve[0]["val_loss"]


def test_a_training_may_continue_another(pairs):
    first = prepare(pairs)
    first.fit()
    past = Past(first.curve, dict(zip((0, 12), first.snapshots()["sr"][[0, -1]], strict=True)))
    second = Training(first.best().model, pairs, ReconstructionLoss("l1"), SHORT, seed=5, past=past)
    reported = []
    second.fit(report=reported.append)

    assert [row["step"] for row in reported] == [12, 15, 16, 18, 20, 21, 24]
    assert second.curve[: len(first.curve) - 1] == first.curve[:-1]
    joint = second.curve[len(first.curve) - 1]  # the end of one and the start of the other
    assert joint["train_loss"] == first.curve[-1]["train_loss"]
    assert joint["val_loss"] == reported[0]["val_loss"] != first.curve[-1]["val_loss"]
    assert second.snapshots()["steps"].tolist() == [0, 12, 13, 15, 18, 24]
    assert second.kept["step"] >= 12
