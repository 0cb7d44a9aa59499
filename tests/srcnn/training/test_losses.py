import pytest
import torch

from srcnn.training.losses import ReconstructionLoss, Weighted, lattice, of_gray

SR = torch.tensor([0.0, 0.5, 1.0, 0.25]).reshape(1, 1, 2, 2)
HR = torch.tensor([0.0, 0.1, 0.8, 0.75]).reshape(1, 1, 2, 2)


def squares(sr, hr):
    return ((sr - hr) ** 2).sum()


@pytest.mark.parametrize(
    ("name", "expected", "off"),
    [
        ("mse", ((0.16 + 0.04 + 0.25) / 4 + 0.25) / 2, 1e-6),
        ("rmse", (((0.16 + 0.04 + 0.25) / 4) ** 0.5 + 0.5) / 2, 3e-5),  # taken per picture
        ("l1", ((0.4 + 0.2 + 0.5) / 4 + 0.5) / 2, 1e-6),
        ("charbonnier", ((0.4 + 0.2 + 0.5) / 4 + 0.5) / 2, 3e-4),  # nearly l1
    ],
)
def test_pixel_losses_are_means_without_a_gradient_at_equal_pictures(name, expected, off):
    loss = ReconstructionLoss(name)
    terms = loss(torch.cat([SR, SR + 0.5]), torch.cat([HR, SR]))
    assert set(terms) == {"pixel", "loss"}
    assert float(terms["pixel"]) == pytest.approx(expected, abs=off)
    assert terms["loss"] == terms["pixel"]
    same = SR.clone().requires_grad_()
    loss(same, SR)["loss"].backward()
    assert torch.equal(same.grad, torch.zeros_like(SR))


def test_features_see_studio_luma_as_the_gray_it_was_made_of_and_the_pixel_loss_does_not():
    gray_sr = SR.clone().requires_grad_()
    squeezed = [(16 + 219 * gray) / 255 for gray in (gray_sr, HR)]
    loss = ReconstructionLoss("l1", {"perceptual": Weighted(of_gray(squares, "studio"), 0.1)})
    terms = loss(*squeezed)
    assert terms["perceptual"].item() == pytest.approx(0.45)
    assert terms["pixel"].item() == pytest.approx(0.275 * 219 / 255)
    terms["perceptual"].backward()
    torch.testing.assert_close(gray_sr.grad, 2 * (SR - HR))


def test_a_term_may_be_taken_of_some_patches_of_a_training_batch():
    sr, hr = torch.cat([SR, SR + 0.5]), torch.cat([HR, SR])
    loss = ReconstructionLoss("l1", {"other": Weighted(squares, 1.0, patches=1)})
    assert float(loss(sr, hr, step=0)["other"]) == pytest.approx(0.45)
    assert float(loss(sr, hr)["other"]) == pytest.approx(0.45 + 1.0)
    assert loss(sr, hr, step=0)["pixel"] == loss(sr, hr)["pixel"]


def test_a_term_sees_each_phase_of_an_lr_pixel_at_each_place():
    places = torch.arange(36.0).reshape(1, 1, 6, 6)
    seen = []
    term = Weighted(lambda sr, hr: seen.append(float(sr[0, 0, 0, 0])) or sr.sum(), shifts=3)
    loss = ReconstructionLoss("l1", {"other": term})
    for step in range(9):
        loss(places, places, step)
    assert sorted(seen) == [6 * row + column for row in range(3) for column in range(3)]
    loss(places, places)
    assert seen[-1] == 0  # a validation sees the same always


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_lattice_term_sees_a_pattern_of_the_period_of_the_scale_and_nothing_else(scale):
    generator = torch.Generator().manual_seed(0)
    hr = torch.rand(2, 1, 6 * scale + 1, 6 * scale + 1, generator=generator)
    pattern = torch.zeros_like(hr)
    pattern[..., ::scale, ::scale] = 0.1
    variance = 0.01 / scale**2 * (1 - 1 / scale**2)
    assert float(lattice(hr + pattern, hr, scale)) == pytest.approx(variance, rel=1e-4)
    assert float(lattice(hr + 0.1, hr, scale)) == pytest.approx(0, abs=1e-9)
    other = torch.zeros_like(hr)
    other[..., ::7, ::7] = 0.1  # all phases alike, nearly
    assert float(lattice(hr + other, hr, scale)) < variance / 5


def test_a_weight_may_rise_and_a_term_may_be_left_out_of_validations():
    ramp = Weighted(squares, 2.0, ramp=3, validates=False)
    loss = ReconstructionLoss("l1", {"other": ramp})
    weights = [float(loss(SR, HR, step)["other_weighted"]) / 0.45 for step in range(5)]
    assert weights == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert list(loss(SR, HR)) == ["loss", "pixel"]
