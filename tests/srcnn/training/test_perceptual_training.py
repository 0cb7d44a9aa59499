"""Training with the perceptual loss: what it logs, what it keeps, and that it can be continued."""

import io

import numpy as np
import pytest
import torch

from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, PairsWriter
from srcnn.networks import SRCNN
from srcnn.perceptual.loss import PerceptualLoss
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss, Weighted, of_gray
from srcnn.training.settings import Settings
from tests.support.pairs import noise_pairs

WEIGHT = 0.05


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return noise_pairs(tmp_path_factory.mktemp("pairs"), 48)


def new_training(pairs, perceptual=True):
    generator = torch.Generator().manual_seed(0)
    settings = Settings(
        steps=6, batch_size=2, patch_size=16, log_every=1, validate_every=2, val_pictures=1
    )
    vgg19 = PerceptualLoss({"relu2_1": 1.0}, "random")
    loss = ReconstructionLoss("mse", {"perceptual": Weighted(vgg19, WEIGHT)} if perceptual else {})
    return Training(SRCNN(2, (3, 1, 3), (4, 3), generator=generator), pairs, loss, settings, seed=1)


def weights(training):
    return training.best().to_bytes()


def test_every_term_is_logged_apart(pairs):
    training = new_training(pairs)
    training.fit()
    for split, rows in (("train", training.curve[1:]), ("val", training.curve[::2])):
        for row in rows:
            weighted = row[f"{split}_perceptual_weighted"]
            assert weighted == pytest.approx(WEIGHT * row[f"{split}_perceptual"], rel=1e-5)
            total = row[f"{split}_pixel"] + weighted
            assert row[f"{split}_loss"] == pytest.approx(total, rel=1e-5)


def test_a_continued_training_ends_in_the_same_bits_and_does_not_store_vgg19(pairs):
    straight = new_training(pairs)
    states = []
    straight.fit(checkpoint=lambda state: states.append(_saved(state)), checkpoint_every=3)
    assert len(states[0]) < 100_000  # VGG19's first three convolutions alone are 450 kB

    continued = new_training(pairs)
    continued.load_state_dict(torch.load(io.BytesIO(states[0]), weights_only=True))
    assert continued.step == 3
    continued.fit()
    assert weights(continued) == weights(straight)
    assert continued.curve == straight.curve


def test_the_perceptual_term_changes_the_network_but_not_where_it_starts(pairs):
    with_it, without = new_training(pairs), new_training(pairs, perceptual=False)
    assert weights(with_it) == weights(without)
    with_it.fit()
    without.fit()
    assert weights(with_it) != weights(without)


@pytest.mark.parametrize(("luma", "levels"), [("full", (0, 255)), ("studio", (16, 235))])
def test_features_see_black_and_white_whatever_the_luma(luma, levels, tmp_path):
    seen = []

    def remember(sr, hr):
        seen.append(hr.unique().tolist())
        return ((sr - hr) ** 2).mean()

    with PairsWriter(tmp_path, 2, luma) as writer:
        for split in ("train", "val"):
            hr = np.where(np.indices((48, 48))[0] < 24, *levels).astype(np.uint8)
            writer.add(split, split, split, hr, downscale(hr, 2))
    settings = Settings(steps=1, batch_size=2, patch_size=48, validate_every=1)
    loss = ReconstructionLoss("mse", {"perceptual": Weighted(of_gray(remember, luma), WEIGHT)})
    Training(SRCNN(2, (3, 1, 3), (4, 3)), Pairs.open(tmp_path), loss, settings, seed=1).fit()
    assert seen
    assert all(each == [0.0, 1.0] for each in seen)


def _saved(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
