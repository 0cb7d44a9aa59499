"""Bootstrap intervals and paired comparisons, against values worked out independently."""

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from srcnn.scoring.measures import GMSD, LPIPS, PSNR, SSIM, measures_among
from srcnn.scoring.significance import (
    FEWEST_SOURCES,
    bootstrap_interval,
    compare,
    correct,
    fewest_sources,
)


def names(count):
    return [f"{i:05d}" for i in range(count)]


def test_many_sources_have_the_interval_of_the_central_limit_in_little_memory():
    count = 6_000
    values = np.random.default_rng(0).gamma(2.0, size=count)
    tracemalloc.start()
    low, high = bootstrap_interval(values, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    error = values.std() / count**0.5
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert peak < 50e6
    few = values[:20]
    first = bootstrap_interval(few, seed=5)
    assert first == bootstrap_interval(few, seed=5) != bootstrap_interval(few, seed=6)


def differ(differences, pictures=None, measure=PSNR):
    """Two networks that differ so much on each of some sources, with so many pictures."""
    pictures = pictures or [1] * len(differences)
    b = np.repeat(np.asarray(differences, float), pictures)
    return compare(measure, 0 * b, b, 0 * b, np.repeat(names(len(differences)), pictures))


def spread(count, value):
    """So many differences about a value, no two alike."""
    return [value * (1 + k / 1000) for k in range(count)]


def test_means_are_of_the_pictures_but_difference_and_wins_of_the_sources():
    a, bicubic = np.array([30.0, 20.0, 25.0, 25.0]), np.zeros(4)
    b = a + np.array([1.0, 3.0, -0.5, 0.1])
    psnr = compare(PSNR, a, b, bicubic, ["x", "x", "y", "z"])
    assert (psnr.a, psnr.bicubic, psnr.pictures, psnr.sources) == (25.0, 0.0, 4, 3)
    assert psnr.b == pytest.approx(25.9)
    assert psnr.mean == pytest.approx((2 - 0.5 + 0.1) / 3)
    assert psnr.wins == (1, 2)
    assert compare(LPIPS, a, b, bicubic, ["x", "x", "y", "z"]).wins == (2, 1)


@pytest.mark.parametrize("count", [3, 6, 9])
def test_p_value_is_that_of_all_sign_patterns(count):
    differences = np.random.default_rng(3).normal(0.2, 0.3, count)
    ranks = stats.rankdata(abs(differences))
    observed = abs((ranks * np.sign(differences)).sum())
    patterns = [abs((ranks * signs).sum()) for signs in itertools.product((-1, 1), repeat=count)]
    expected = np.mean(np.array(patterns) >= observed - 1e-9)
    assert differ(differences).p_value == pytest.approx(expected)


def test_a_source_counts_once_however_many_pictures_it_has():
    differences = np.arange(-3, 9) / 8
    many, one = differ(differences, [1] * 6 + [20] * 6), differ(differences)
    assert (many.pictures, many.b) != (one.pictures, one.b)
    assert replace(many, b=one.b, pictures=one.pictures, trainings=one.trainings) == one


@pytest.mark.parametrize(
    "differences",
    [
        spread(30, 0.1) + spread(2, -1),  # the test is sure, the interval not
        [1, 1.1, 1.2, 1.3, 1.4, -0.01],  # the interval is, the test not
        spread(52, -0.1) + spread(8, 10),  # both are, of opposite directions
    ],
)
@pytest.mark.parametrize("measure", [PSNR, GMSD])
def test_a_verdict_needs_interval_and_test_to_agree(differences, measure):
    found = differ(differences, measure=measure)
    assert found.is_contradictory
    assert found.better is None


@pytest.mark.parametrize(("measure", "better"), [(SSIM, "b"), (GMSD, "a"), (LPIPS, "a")])
def test_direction_of_the_measure_decides_who_is_better(measure, better):
    other = {"a": "b", "b": "a"}[better]
    assert differ(spread(30, 1), measure=measure).better == better
    assert differ(spread(30, -1), measure=measure).better == other


def test_identical_networks_do_not_differ():
    same = differ([0] * 20)
    assert (same.mean, same.interval, same.p_value, same.better) == (0, (0, 0), 1, None)
    assert same.wins == (0, 0)


def test_measures_are_the_columns_with_a_bicubic_twin():
    columns = ["set", "id", "lpips", "psnr", "ssim", "psnr_bicubic", "lpips_bicubic", "note"]
    assert measures_among(columns) == [PSNR, LPIPS]


def test_p_values_are_corrected_by_holms_steps():
    one = differ(spread(10, 0.5))
    raw = [0.04, 0.01, 0.03, 0.005]
    corrected = correct([replace(one, p_value=p) for p in raw])
    # By hand: 0.005 · 4, 0.01 · 3, 0.03 · 2, then 0.04 · 1, which may not end below 0.06.
    assert [d.p_value for d in corrected] == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert [d.better for d in corrected] == [None, "b", None, "b"]
    assert {d.tests for d in corrected} == {4}
    assert correct([one]) == [one]
    assert [d.p_value for d in correct([replace(one, p_value=0.7)] * 2)] == [1, 1]


@pytest.mark.parametrize(("tests", "sources"), [(1, 6), (3, 7), (6, 8), (7, 9)])
def test_the_fewest_sources_are_those_whose_least_p_survives_the_correction(tests, sources):
    assert fewest_sources(tests) == sources
    for count, better in ((sources - 1, None), (sources, "b")):
        found = correct([differ(spread(count, 0.5))] * tests)
        assert {d.better for d in found} == {better}
        assert {d.is_decidable for d in found} == {better is not None}
        assert (found[0].interval is None) == (count < FEWEST_SOURCES)


def test_of_several_seeds_the_mean_counts_and_the_interval_is_over_them_too():
    rng = np.random.default_rng(0)
    a = rng.normal(28, 3, 40)
    b = a + rng.normal(0.3, 0.05, 40)
    seeds = np.array([[-0.2], [0.0], [0.2]])  # by which the whole training is better
    single = compare(PSNR, a, b, a, names(40))
    several = compare(PSNR, a + seeds, b + seeds, a, names(40))
    assert several.mean == pytest.approx(single.mean)
    for of, trainings in zip((a, b), several.trainings, strict=True):
        assert trainings == pytest.approx([of.mean() - 0.2, of.mean(), of.mean() + 0.2])
    # Of three seeds the mean of three draws deviates by 0.2 · sqrt(2/3) / sqrt(3), of both sides.
    deviation = np.hypot((b - a).std() / 40**0.5, 2**0.5 * 0.2 * (2 / 3) ** 0.5 / 3**0.5)
    for end, sign in zip(several.interval, (-1, 1), strict=True):
        assert end == pytest.approx(single.mean + sign * 1.96 * deviation, abs=0.04)
    same = compare(PSNR, np.stack([a, a]), np.stack([b, b]), a, names(40))
    assert same.interval == pytest.approx(single.interval, abs=0.003)
