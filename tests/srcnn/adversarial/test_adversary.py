"""The adversarial loss: its values, who learns from it, and trainings with it."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from srcnn import hardware
from srcnn.adversarial.adversary import Adversary
from srcnn.adversarial.discriminators import DISCRIMINATORS
from srcnn.training.curve import collapse
from srcnn.training.loop import Training
from srcnn.training.losses import ReconstructionLoss, Weighted
from srcnn.training.process_group import ProcessGroup
from srcnn.training.settings import Settings
from tests.support.models import network
from tests.support.pairs import noise_pairs

SHORT = Settings(
    steps=6, batch_size=2, patch_size=32, log_every=1, validate_every=3, val_pictures=1, ema=0.5
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return noise_pairs(tmp_path_factory.mktemp("pairs"), 64)


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def adversary(relativistic=True, name="patch", steps=6):
    discriminator = DISCRIMINATORS[name](4, torch.Generator().manual_seed(0))
    return discriminator, Adversary(discriminator, relativistic, 1e-3, steps, ProcessGroup())


def training(pairs, settings=SHORT):
    hardware.make_deterministic(1)
    _, against = adversary()
    term = Weighted(against.term, 0.01, ramp=2, validates=False)
    loss = ReconstructionLoss("mse", {"adversarial": term})
    return Training(network("srresnet"), pairs, loss, settings, 1, adversary=against)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_give_logits_of_patches_of_any_size(name):
    model = DISCRIMINATORS[name](4)
    for size in (32, 48):
        logits = model(random(2, 1, size, size))
        assert logits.shape[:2] == (2, 1)
        assert logits.isfinite().all()


def test_the_paper_s_discriminator_has_its_layers():
    channels = [conv.out_channels for conv in DISCRIMINATORS["srgan"]().layers]
    assert channels == [64, 64, 128, 128, 256, 256, 512, 512]


@pytest.mark.parametrize("relativistic", [False, True])
def test_losses_are_those_of_the_papers_and_each_trains_its_own_network_alone(relativistic):
    sr, hr = random(3, 1, 32, 32).requires_grad_(), random(3, 1, 32, 32, seed=1)
    model, against = adversary(relativistic)
    fake, real = model(sr).detach(), model(hr).detach()
    if relativistic:
        fake, real = fake - real.mean(), real - fake.mean()
        expected = -(F.logsigmoid(fake).mean() + F.logsigmoid(-real).mean()) / 2
    else:
        expected = -F.logsigmoid(fake).mean()
    term = against.term(sr, hr)
    torch.testing.assert_close(term, expected)
    term.backward()
    assert sr.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.parameters())
    sr.grad = None
    told = against.learn(0, sr, hr, 1.0)
    assert sr.grad is None
    expected = -(F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()) / 2
    torch.testing.assert_close(told["discriminator"], expected)
    torch.testing.assert_close(told["real"], real.sigmoid().mean())


def test_the_discriminator_learns_to_tell_blurred_from_sharp():
    _, against = adversary(steps=60)
    for step in range(60):
        hr = random(4, 1, 32, 32, seed=step)
        terms = against.learn(step, F.avg_pool2d(hr, 3, 1, 1), hr, 1.0)
    assert float(terms["told"]) > 0.95
    assert float(terms["real"]) > 0.6 > 0.4 > float(terms["fake"])


def test_a_training_keeps_the_most_natural_weights_and_continued_ends_in_the_same_bits(
    pairs, tmp_path
):
    whole, states = training(pairs), []
    whole.fit(checkpoint=lambda state: states.append(copy.deepcopy(state)), checkpoint_every=4)
    last = whole.curve[-1]
    assert {"train_real", "train_fake", "train_told", "train_gradient_norm"} <= set(last)
    assert "val_adversarial" not in last
    validated = [row for row in whole.curve if "val_frechet" in row]
    assert whole.best_row == min(validated, key=lambda row: row["val_frechet"])

    torch.save(states[0], tmp_path / "state")
    continued = training(pairs)
    continued.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    continued.fit()
    assert continued.best().to_bytes() == whole.best().to_bytes()
    assert continued.curve == whole.curve


@pytest.mark.parametrize(
    ("distances", "failed"), [((90, 60, 70), False), ((90, 60, 95), True), ((90, 95, 99), True)]
)
def test_a_training_that_makes_nothing_more_natural_is_told(distances, failed):
    rows = [{"step": step, "val_frechet": value} for step, value in enumerate(distances)]
    said = collapse(rows, min(rows, key=lambda row: row["val_frechet"]))
    assert (said is not None) == failed
    assert collapse([{"val_psnr": 30.0}], {"val_psnr": 30.0}) is None


def test_what_is_kept_is_the_running_mean(pairs):
    run = training(pairs, replace(SHORT, steps=1, ema=0.75))
    before = copy.deepcopy(run._network.state_dict())
    run.fit()
    for name, now in run._network.state_dict().items():
        torch.testing.assert_close(run._averaged.state_dict()[name], before[name].lerp(now, 0.25))
