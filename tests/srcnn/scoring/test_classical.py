import math

import numpy as np
import pytest
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srcnn.data.imresize import bicubic_upscale, downscale
from srcnn.scoring.classical import finite_psnr, gmsd, lr_psnr, psnr, shave, ssim


@pytest.fixture(scope="module")
def photo():
    """The cameraman's head, and the same after bicubic x4 down and up."""
    hr = data.camera()[100:228, 180:308]
    return hr, bicubic_upscale(downscale(hr, 4), 4)


def test_psnr_of_identical_pictures_is_the_highest_of_different_ones():
    flat = np.full((24, 24), 100, np.uint8)
    almost = flat.copy()
    almost[3, 4] += 1

    assert finite_psnr(flat, flat) == finite_psnr(almost, flat)
    assert finite_psnr(flat, flat) == pytest.approx(10 * math.log10(255**2 * 24**2))


def test_lr_psnr_sees_what_contradicts_lr_alone(photo):
    hr, sr = photo
    assert lr_psnr(sr, hr, 4) == finite_psnr(downscale(sr, 4), downscale(hr, 4)) > psnr(sr, hr)
    assert lr_psnr(sr[:-3, :-1], hr[:-3, :-1], 4) == lr_psnr(sr[:124, :124], hr[:124, :124], 4)
    gray = np.full((32, 32), 128, np.uint8)
    board = (np.indices(gray.shape).sum(axis=0) % 2 * 20 + 118).astype(np.uint8)
    assert psnr(board, gray) < 29
    assert lr_psnr(board, gray, 4) > 48  # half a level, by rounding


# Reference values: piq 0.8.0 (photosynthesis-team), float64, on this very pair divided by 255:
# piq.ssim(kernel_size=11, kernel_sigma=1.5, downsample=False), piq.gmsd(). Odd: [1:, 3:] of it.
@pytest.mark.parametrize(
    ("place", "of_ssim", "of_gmsd"),
    [
        (np.s_[:], 0.7385188412068043, 0.13248378136574554),
        (np.s_[1:, 3:], 0.7393451049321593, 0.1304223426343652),
    ],
)
def test_ssim_and_gmsd_are_piqs(photo, place, of_ssim, of_gmsd):
    pair = [picture[place] for picture in photo]
    assert (ssim(*pair), gmsd(*pair)) == pytest.approx((of_ssim, of_gmsd), abs=1e-12)


@pytest.mark.parametrize("size", [(11, 11), (11, 40), (57, 64)])
def test_psnr_and_ssim_are_scikit_images(photo, size):
    a, b = (picture[: size[0], : size[1]] for picture in photo)
    options = {"win_size": 11, "sigma": 1.5, "gaussian_weights": True, "full": True}
    expected, full = structural_similarity(a, b, use_sample_covariance=False, **options)
    assert ssim(a, b) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-12)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-12)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-10)


@pytest.mark.parametrize(("metric", "smallest"), [(psnr, 1), (ssim, 11), (gmsd, 6)])
def test_pictures_that_cannot_be_compared_are_named(metric, smallest):
    picture, small = np.zeros((16, 16), np.uint8), np.zeros((smallest - 1, 20), np.uint8)
    for one, other, why in (
        (picture, picture[:, 1:], r"one size; got \(16, 16\) and \(16, 15\)"),
        (picture, np.zeros((16, 16)), "got float64"),
        (picture, np.zeros((16, 16, 3), np.uint8), r"got uint8 \(16, 16, 3\)"),
        (small, small, f"needs at least {smallest}x{smallest} pixels"),
    ):
        with pytest.raises(ValueError, match=why):
            metric(one, other)


def test_shave_leaves_something():
    picture = np.arange(42, dtype=np.uint8).reshape(6, 7)
    np.testing.assert_array_equal(shave(picture, 2), picture[2:4, 2:5])
    np.testing.assert_array_equal(shave(picture, 0), picture)
    for border in (3, -1):
        with pytest.raises(ValueError, match=f"cannot shave {border} pixels .* 6x7"):
            shave(picture, border)
