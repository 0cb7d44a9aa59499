"""Degradations beyond the bicubic, each against its definition."""

import io

import numpy as np
import pytest
from PIL import Image

from srcnn.data.degradation import Degradation, picture_rng
from srcnn.data.imresize import downscale
from tests.support.pictures import encoded, noise


def test_blur_is_a_gaussian_with_mirrored_borders():
    sigma, hr = 1.5, noise(0, (24, 24))
    x = np.arange(-6, 7)  # the kernel ends at four sigma
    kernel = np.exp(-(x**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = np.pad(hr.astype(float), 6, mode="symmetric")
    rows = np.apply_along_axis(np.convolve, 0, padded, kernel, mode="valid")
    blurred = np.apply_along_axis(np.convolve, 1, rows, kernel, mode="valid")
    expected = downscale(np.floor(blurred + 0.5).astype(np.uint8), 2)
    result = Degradation(2, blur_sigma=sigma)(hr, picture_rng(0, "a"))
    np.testing.assert_array_equal(result, expected)


def test_noise_has_the_given_sigma_and_no_bias():
    hr = np.full((512, 512), 128, np.uint8)
    lr = Degradation(2, noise_sigma=5.0)(hr, picture_rng(0, "a")).astype(float)
    assert lr.mean() == pytest.approx(128, abs=0.1)
    assert lr.std() == pytest.approx(5, rel=0.02)


def test_jpeg_is_the_last_step():
    hr = noise(0, (32, 32))
    noisy = Degradation(2, noise_sigma=5.0)(hr, picture_rng(0, "a"))
    expected = np.asarray(Image.open(io.BytesIO(encoded(noisy, "JPEG", quality=30))))
    both = Degradation(2, noise_sigma=5.0, jpeg_quality=30)(hr, picture_rng(0, "a"))
    np.testing.assert_array_equal(both, expected)
    assert np.any(both != noisy)


def test_degradation_takes_luma_only():
    with pytest.raises(ValueError, match=r"uint8 \(8, 8, 3\); it must be uint8 \(H, W\)"):
        Degradation(2)(np.zeros((8, 8, 3), np.uint8), picture_rng(0, "a"))
