import copy
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from srcnn import hardware
from srcnn.networks import NETWORKS
from srcnn.perceptual.loss import PerceptualLoss
from srcnn.training.curve import Past, validation_score
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss, Weighted
from srcnn.training.optim import Optimization
from srcnn.training.settings import DivergedError, Settings
from srcnn.training.validation import Validation
from tests.support.models import network
from tests.support.pairs import write_pairs

SHORT = Settings(
    steps=12, batch_size=4, patch_size=20, log_every=3, validate_every=4, val_pictures=2
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Sharp-edged shapes: bicubic blurs them, and a network soon learns to sharpen them."""
    pictures = []
    for i, split in enumerate(["train"] * 4 + ["val"] * 2):
        blurred = gaussian_filter(np.random.default_rng(i).normal(size=(64, 48)), 3)
        pictures.append((split, np.where(blurred > 0, 200, 50).astype(np.uint8)))
    return write_pairs(tmp_path_factory.mktemp("pairs"), 2, pictures)


def prepare(pairs, settings=SHORT, seed=0, loss=None, name="srcnn"):
    hardware.make_deterministic(1)
    loss = loss or ReconstructionLoss("mse")
    return Training(network(name, seed=seed), pairs, loss, settings, seed + 1)


def fitted(pairs, *arguments, **named):
    run = prepare(pairs, *arguments, **named)
    run.fit()
    return run


def result(run):
    """Everything a training leaves, as bytes and plain values."""
    snapshots = {name: tensor.numpy().tobytes() for name, tensor in run.snapshots().items()}
    return run.best().to_bytes(), run.curve, snapshots


@pytest.mark.parametrize(
    ("name", "optimizer"), [*((name, "muon") for name in NETWORKS), ("srcnn", "sgd")]
)
def test_a_run_learns_and_continued_from_any_checkpoint_ends_in_the_same_bits(
    pairs, name, optimizer, tmp_path
):
    settings = replace(SHORT, optimization=Optimization(optimizer))
    whole, states = prepare(pairs, settings, name=name), []
    whole.fit(checkpoint=lambda state: states.append(copy.deepcopy(state)), checkpoint_every=5)
    assert [state["step"] for state in states] == [5, 10]
    assert whole.curve[-1]["val_loss"] < whole.curve[0]["val_loss"]

    for state in states:
        torch.save(state, tmp_path / "state.pt")
        continued = prepare(pairs, settings, seed=9, name=name)
        continued.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        continued.fit()
        assert result(continued) == result(whole)


def test_every_term_is_logged_apart_and_vgg19_is_not_stored(pairs, tmp_path):
    perceptual = Weighted(PerceptualLoss({"relu2_1": 1.0}, "random"), 0.05)
    loss, file = ReconstructionLoss("mse", {"perceptual": perceptual}), tmp_path / "state.pt"
    run = prepare(pairs, loss=loss)
    run.fit(checkpoint=lambda state: torch.save(state, file), checkpoint_every=7)
    assert file.stat().st_size < 200_000  # VGG19's first three convolutions alone are 450 kB
    for split in ("train", "val"):
        rows = [row for row in run.curve if f"{split}_loss" in row]
        assert len(rows) >= 4
        for row in rows:
            weighted = row[f"{split}_perceptual_weighted"]
            assert weighted == pytest.approx(0.05 * row[f"{split}_perceptual"], rel=1e-5)
            total = row[f"{split}_pixel"] + weighted
            assert row[f"{split}_loss"] == pytest.approx(total, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run_after_the_last_good_checkpoint(pairs):
    calls = itertools.count()  # at 0 the first validation

    def fails(sr, hr):
        return (sr - hr).abs().mean() * (math.inf if next(calls) >= 8 else 1)

    # No log point or validation between the failure and the next checkpoint at step 10.
    settings = replace(SHORT, log_every=12, validate_every=12)
    loss = ReconstructionLoss("mse", {"other": Weighted(fails)})
    run, states = prepare(pairs, settings, loss=loss), []

    with pytest.raises(DivergedError, match="became inf at step 8, in its term other"):
        run.fit(checkpoint=lambda state: states.append(copy.deepcopy(state)), checkpoint_every=5)

    assert [state["step"] for state in states] == [5]
    assert all(torch.isfinite(weight).all() for weight in states[0]["learner"]["network"].values())


def steps_of(rows, column="step"):
    return [row["step"] for row in rows if column in row]


def test_curve_and_snapshots_have_their_steps_and_another_training_may_continue_them(pairs):
    first, reported = prepare(pairs), []
    first.fit(report=lambda row: reported.append(dict(row)))
    assert reported == first.curve
    assert steps_of(reported) == [0, 3, 4, 6, 8, 9, 12]
    assert steps_of(reported, "val_psnr") == [0, 4, 8, 12]
    assert steps_of(reported, "train_loss") == [3, 4, 6, 8, 9, 12]
    for row in reported:
        assert set(row) <= set(reported[-1])
        assert all(math.isfinite(value) for value in row.values())
    snapshots = first.snapshots()
    assert snapshots["steps"].tolist() == [0, 1, 3, 6, 12]
    assert snapshots["sr"].shape == (5, 3, 48, 48)

    past = Past(first.curve, dict(zip((0, 12), snapshots["sr"][[0, -1]], strict=True)))
    second = Training(first.best().model, pairs, ReconstructionLoss("l1"), SHORT, seed=5, past=past)
    reported = []
    second.fit(report=reported.append)
    assert steps_of(reported) == [12, 15, 16, 18, 20, 21, 24]
    assert second.curve[: len(first.curve) - 1] == first.curve[:-1]
    joint = second.curve[len(first.curve) - 1]  # the end of one and the start of the other
    assert joint["train_loss"] == first.curve[-1]["train_loss"]
    assert joint["val_loss"] == reported[0]["val_loss"] != first.curve[-1]["val_loss"]
    assert second.snapshots()["steps"].tolist() == [0, 12, 13, 15, 18, 24]
    assert second.best_row["step"] >= 12


def test_logged_losses_are_means_over_their_steps(pairs):
    fine, coarse = (fitted(pairs, replace(SHORT, log_every=every)) for every in (1, 4))
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
    assert run.best_row["step"] == 0


def test_patches_are_of_the_training_s_pictures_and_validated_ones_of_the_validation_s(tmp_path):
    levels = []

    def see(sr, hr):
        levels.append(hr.unique().tolist())
        return (sr - hr).abs().mean()

    levels_of = {"train": 51, "val": 204}
    flat = [(split, np.full((40, 40), level, np.uint8)) for split, level in levels_of.items()]
    loss = ReconstructionLoss("mse", {"other": Weighted(see)})
    fitted(write_pairs(tmp_path, 2, flat), replace(SHORT, steps=2), loss=loss)
    train, val = [pytest.approx(0.2)], [pytest.approx(0.8)]
    assert levels == [val, train, train, val]  # at step 0, two steps, at the last


def test_the_first_step_changes_nothing_and_shows_what_decides_the_bits(pairs):
    run = prepare(pairs)
    shown = run.first_step()
    assert run.first_step() == shown
    run.fit()
    assert result(run) == result(fitted(pairs))
    with torch.backends.mkldnn.flags(enabled=False):  # as a variable for its library might
        assert prepare(pairs).first_step() != shown
    faster = replace(SHORT, optimization=Optimization(lr=2e-3, muon_lr=0.03))
    assert prepare(pairs, faster).first_step() != shown
    other_patches = Training(network("srcnn"), pairs, ReconstructionLoss(), SHORT, seed=2)
    assert other_patches.first_step() != shown


def test_the_best_weights_are_those_of_the_best_validation(pairs):
    # A rate this high makes the first validations better than the last.
    high = Optimization("sgd", 2.0, schedule="constant")
    run, weights = prepare(pairs, replace(SHORT, optimization=high, validate_every=1)), {}
    run.fit(
        report=lambda row: weights.setdefault(row["step"], run.state_dict()["learner"]["network"])
    )
    best = max(run.curve, key=lambda row: row["val_psnr"])
    assert best["step"] < SHORT.steps
    for name, tensor in run.best().model.state_dict().items():
        assert torch.equal(tensor, weights[best["step"]][name])


def test_a_few_steps_beat_bicubic(pairs):
    rate = Optimization(lr=1e-2)
    run = fitted(pairs, replace(SHORT, steps=150, optimization=rate, validate_every=150))
    start, end = run.curve[0], run.curve[-1]
    assert start["val_psnr"] == pytest.approx(start["val_psnr_bicubic"], abs=0.3)
    assert end["val_psnr"] > end["val_psnr_bicubic"] + 0.5
    assert end["val_ssim"] > end["val_ssim_bicubic"]


def test_the_correction_does_not_depend_on_brightness(pairs):
    # Adam's steps have a mean even where gradients have none.
    model = fitted(pairs, replace(SHORT, optimization=Optimization("adam"))).best().model
    x = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(x + 0.3), model(x) + 0.3, atol=1e-5, rtol=0)


def test_bfloat16_learns_what_float32_learns(pairs):
    precisions = ["bfloat16", "float32"]
    runs = [fitted(pairs, replace(SHORT, precision=precision)) for precision in precisions]
    assert [run.best().precision for run in runs] == precisions
    rounded, exact = (run.curve[-1]["val_psnr"] for run in runs)
    assert 0 < abs(rounded - exact) < 0.02


def test_the_pixel_loss_keeps_the_highest_psnr_a_perceptual_loss_the_lowest_loss():
    rows = [{"val_loss": 0.4, "val_psnr": 27.0}, {"val_loss": 0.5, "val_psnr": 29.0}]
    assert max(rows, key=validation_score) is rows[1]
    rows = [row | {"val_perceptual_weighted": 0.1} for row in rows]
    assert max(rows, key=validation_score) is rows[0]
