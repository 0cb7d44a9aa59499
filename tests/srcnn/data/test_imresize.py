"""The bicubic is checked against a second implementation: the definition, in exact fractions."""

import tracemalloc
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest

from srcnn.data.imresize import bicubic_matrix, bicubic_upscale, downscale
from tests.support.pictures import noise


def keys(x: Fraction) -> Fraction:
    x = abs(x)
    if x <= 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    if x <= 2:
        return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2
    return Fraction(0)


def definition(size: int, new_size: int) -> np.ndarray:
    """imresize's matrix (new_size, size), weight by weight."""
    stretch = max(Fraction(1), Fraction(size, new_size))
    matrix = np.full((new_size, size), Fraction(0))
    for i in range(new_size):
        centre = (i + Fraction(1, 2)) * Fraction(size, new_size) - Fraction(1, 2)
        for tap in range(floor(centre - 2 * stretch), ceil(centre + 2 * stretch) + 1):
            inside = tap
            while not 0 <= inside < size:  # mirrored, the border sample repeated
                inside = -1 - inside if inside < 0 else 2 * size - 1 - inside
            matrix[i, inside] += keys((centre - tap) / stretch)
    return matrix / matrix.sum(axis=1, keepdims=True)


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Rows first, rounded half up and clipped after each of the two passes."""

    def one_pass(rows: np.ndarray, new_size: int) -> np.ndarray:
        exact = definition(len(rows), new_size) @ rows.astype(object)
        return np.clip(np.floor(exact + Fraction(1, 2)), 0, 255).astype(int)

    return one_pass(one_pass(picture, height).T, width).T


@pytest.mark.parametrize(
    ("size", "new_size"),
    [(24, 12), (24, 8), (24, 3), (6, 12), (6, 18), (3, 24), (10, 7), (7, 10), (4, 1), (5, 5)],
)
def test_matrix_is_the_definition(size, new_size):
    expected = definition(size, new_size).astype(float)
    np.testing.assert_allclose(bicubic_matrix(size, new_size).toarray(), expected, atol=1e-14)


# The textbook weights of imresize: Keys' kernel at distances of whole and half pixels.
@pytest.mark.parametrize(
    ("size", "new_size", "row", "first", "weights", "unit"),
    [
        (32, 16, 8, 13, [-3, -9, 29, 111, 111, 29, -9, -3], 256),
        (33, 11, 5, 11, [-2, -4, 0, 18, 42, 54, 42, 18, 0, -4, -2], 162),
        (16, 32, 16, 6, [-3, 29, 111, -9], 128),
        (16, 32, 17, 7, [-9, 111, 29, -3], 128),
    ],
)
def test_known_weights(size, new_size, row, first, weights, unit):
    expected = np.zeros(size)
    expected[first : first + len(weights)] = np.array(weights) / unit
    np.testing.assert_allclose(bicubic_matrix(size, new_size).toarray()[row], expected, atol=1e-15)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_uint8_is_the_rounded_definition(scale):
    large, small = noise(0, (3 * scale, 5 * scale)), noise(1, (6, 5))
    np.testing.assert_array_equal(downscale(large, scale), resized(large, 3, 5))
    expected = resized(small, 6 * scale, 5 * scale)
    np.testing.assert_array_equal(bicubic_upscale(small, scale), expected)


def test_floats_are_neither_rounded_nor_clipped():
    picture = noise(0, (12, 16)).astype(np.float32)
    expected = bicubic_matrix(12, 6) @ picture @ bicubic_matrix(16, 8).T
    result = downscale(picture, 2)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected)


def test_colour_channels_are_resized_one_by_one():
    picture = noise(0, (12, 16, 3))
    channels = [downscale(picture[..., c], 4) for c in range(3)]
    np.testing.assert_array_equal(downscale(picture, 4), np.stack(channels, axis=-1))


def test_photographs_of_many_sizes_do_not_fill_the_memory():
    """A dense matrix of 3,600 to 900 samples has 26 MB, and each size used to keep its own."""
    tracemalloc.start()
    for side in range(3600, 3700, 4):
        strip = np.zeros((side, 4), np.uint8)
        bicubic_upscale(downscale(strip, 4), 4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6


@pytest.mark.parametrize(
    ("resize", "reason"),
    [
        (lambda: downscale(noise(0, (11, 12)), 4), "11x12; crop it to a multiple of 4 first"),
        (lambda: downscale(np.zeros((8, 8), np.int64), 2), "int64; it must be uint8 or floating"),
        (lambda: bicubic_matrix(4, 0), "4 samples to 0"),
    ],
)
def test_what_cannot_be_resized_is_refused(resize, reason):
    with pytest.raises(ValueError, match=reason):
        resize()
