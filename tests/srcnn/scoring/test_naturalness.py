"""What sees blur, noise and lattices without comparing pixels."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter

from srcnn.perceptual.loss import VGG19Features
from srcnn.scoring import naturalness


@pytest.fixture(scope="module")
def hr():
    rng = np.random.default_rng(0)
    base = gaussian_filter(rng.normal(0, 1, (128, 128)), 1)
    return np.clip(128 + 120 * base, 0, 255).astype(np.uint8)


def test_frechet_is_the_distance_of_gaussians():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + i for i in (0, 1))
    mean_a, mean_b = (x.mean(0) for x in (a, b))
    cov_a, cov_b = (np.cov(x.T, bias=True) for x in (a, b))
    expected = np.sum((mean_a - mean_b) ** 2)
    expected += np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    given = [tuple(map(torch.from_numpy, each)) for each in ((mean_a, cov_a), (mean_b, cov_b))]
    assert naturalness.frechet(*given) == pytest.approx(expected)
    assert naturalness.frechet(given[0], given[0]) == pytest.approx(0, abs=1e-6)


def test_statistics_are_of_the_features_of_all_pictures_at_every_position(hr):
    pictures = [hr[:16, :24], hr[16:50, :40]]
    network = VGG19Features([naturalness.LAYER])
    features = [
        network(torch.from_numpy(picture / 255).float()[None, None])[naturalness.LAYER]
        for picture in pictures
    ]
    vectors = torch.cat([each[0].flatten(1) for each in features], dim=1).double()
    assert vectors.shape == (128, 8 * 12 + 17 * 20)
    mean, covariance = naturalness.FrechetDistance().statistics(pictures)
    torch.testing.assert_close(mean, vectors.mean(1))
    torch.testing.assert_close(covariance, torch.cov(vectors, correction=0))


def test_fine_power_is_what_lr_does_not_hold(hr):
    _, x = np.indices((128, 128))
    for period, counts in ((4, True), (16, False)):
        wave = (128 + 50 * np.sin(2 * np.pi * x / period)).astype(np.uint8)
        power = naturalness.fine_power(wave, 4)
        assert (power > 900) == counts  # of a sine of amplitude 50: 1250
    assert naturalness.fine_power(gaussian_filter(hr, 2), 4) < naturalness.fine_power(hr, 4) / 10


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_a_lattice_stands_out_at_its_period_alone(hr, scale):
    pattern = np.zeros((128, 128))
    pattern[::scale] += 24
    pattern[:, ::scale] += 24
    hr = (96 + hr / 4).astype(np.uint8)
    marked = np.clip(hr + pattern, 0, 255).astype(np.uint8)
    assert naturalness.pattern(hr, scale) < 1.6
    assert naturalness.pattern(marked, scale) > 3 * naturalness.pattern(hr, scale)
