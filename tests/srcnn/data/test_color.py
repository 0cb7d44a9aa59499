from fractions import Fraction
from math import floor

import numpy as np
import pytest

from srcnn.data.color import affine, full_range, luma
from tests.support.pictures import noise

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)
RGB = noise(0, (40, 50, 3))


@pytest.mark.parametrize("luma_range", ["full", "studio"])
def test_views_have_the_same_luma(luma_range):
    whole = luma(RGB, luma_range)
    np.testing.assert_array_equal(luma(RGB[::-1, 1::3], luma_range), whole[::-1, 1::3])
    assert luma(RGB[:0], luma_range).shape == (0, 50)


def test_studio_is_the_rounded_formula_of_rgb2ycbcr():
    weights = [Fraction(65481, 1000), Fraction(128553, 1000), Fraction(24966, 1000)]
    expected = [
        floor(16 + sum(w * int(v) for w, v in zip(weights, pixel, strict=True)) / 255 + 0.5)
        for pixel in RGB.reshape(-1, 3)
    ]
    np.testing.assert_array_equal(luma(RGB, "studio").ravel(), expected)


def test_full_range_is_the_gray_that_studio_luma_was_made_of():
    shown = full_range(luma(GRAY, "studio") / 255, "studio")
    assert np.abs(255 * shown - GRAY).max() <= 0.5 * 255 / 219 + 1e-9
    assert (shown[0, 0], shown[-1, -1]) == (0, 1)
    assert full_range(np.array(0.0), "studio") == pytest.approx(-16 / 219)
    assert full_range(GRAY, "full") is GRAY


@pytest.mark.parametrize(
    ("picture", "luma_range", "reason"),
    [
        (np.zeros((4, 4), np.uint8), "tv", "'tv'; allowed: full, studio"),
        (np.zeros((4, 4)), "full", "must be uint8"),
        (np.zeros((4, 4, 4), np.uint8), "full", "must be uint8"),
        (np.zeros(4, np.uint8), "full", "must be uint8"),
    ],
)
def test_other_pictures_and_ranges_are_refused(picture, luma_range, reason):
    with pytest.raises(ValueError, match=reason):
        luma(picture, luma_range)


@pytest.mark.parametrize("luma_range", ["full", "studio"])
def test_the_affine_form_rounds_to_the_luma(luma_range):
    weights, offset, gain = affine(luma_range)
    unrounded = 255 * (RGB / 255 @ weights + offset)
    assert np.abs(unrounded - luma(RGB, luma_range)).max() <= 0.5 + 1e-9
    assert gain * weights.sum() == pytest.approx(1)
