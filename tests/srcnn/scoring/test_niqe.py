"""Naturalness of pictures by themselves."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from srcnn.scoring.niqe import NIQE, SMALLEST, fitted_niqe


def scene(seed, height=240, width=240):
    """Structure of three sizes, uint8."""
    rng = np.random.default_rng(seed)
    layers = [
        gaussian_filter(rng.normal(0, 40 * size, (height, width)), size) for size in (0.7, 2, 6)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


NATURAL = [scene(i) for i in range(12)]


@pytest.fixture(scope="module")
def niqe():
    return NIQE(NATURAL)


def test_niqe_is_deepinvs(niqe):
    # Reference values: deepinv 0.5.0, NIQE(None, patch_size=48, patch_overlap=24, dtype=float64),
    # create_weights of the same pictures. The grid of shapes has steps of 0.001, hence the digits.
    noise = np.random.default_rng(5).normal(0, 20, (240, 240))
    pictures = {
        1.9159046: scene(100, 192, 240),
        35.449501: gaussian_filter(scene(101).astype(float), 1).astype(np.uint8),
        37.893852: np.clip(scene(102) + noise, 0, 255).astype(np.uint8),
    }
    for value, picture in pictures.items():
        assert niqe(picture) == pytest.approx(value, rel=1e-4)


def test_both_ranges_show_the_same(niqe):
    picture = scene(100)
    studio = [np.rint(16 + other / 255 * 219).astype(np.uint8) for other in (picture, *NATURAL)]
    assert niqe(studio[0], "studio") == pytest.approx(niqe(picture), rel=0.1)
    of_studio = NIQE(studio[1:], "studio")
    assert of_studio(studio[0], "studio") == pytest.approx(niqe(picture), rel=0.1)


@pytest.mark.parametrize("side", [SMALLEST, SMALLEST + 1])
def test_every_picture_has_a_value(niqe, side):
    half = np.zeros((side, side), np.uint8)
    half[:, side // 2 :] = 255
    flat = np.full_like(half, 7)
    assert all(np.isfinite(niqe(picture)) for picture in (half, flat, scene(3, side, side)))


def test_few_small_or_flat_pictures_show_nothing():
    with pytest.raises(ValueError, match="0 training pictures have 0 sharp blocks"):
        NIQE([])
    with pytest.raises(ValueError, match="3 training pictures have 1 sharp blocks"):
        NIQE([scene(0, 40, 300), scene(0, 48, 48), np.zeros((240, 240), np.uint8)])


def test_it_is_fitted_to_some_and_tried_on_others(niqe):
    assert niqe.fitted_to.startswith("12 pictures (sha256 ")
    some = NIQE([NATURAL[i] for i in range(12) if i % 4])
    assert fitted_niqe(NATURAL).fitted_to == some.fitted_to != niqe.fitted_to
    sharp_is_unnatural = [gaussian_filter(p, 2 if i % 4 else 0) for i, p in enumerate(NATURAL)]
    with pytest.raises(ValueError, match="NIQE sees in 0 of 3 others that they are blurred"):
        fitted_niqe(sharp_is_unnatural)
