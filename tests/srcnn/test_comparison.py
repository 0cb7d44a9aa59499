import itertools

import numpy as np
import pytest
from scipy import stats

from srcnn.comparison import FEWEST_SOURCES, compare, measures_of


def pairs(count, shift, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(28, 3, count)
    return a, a + rng.normal(shift, noise, count), a - 1


def names(count):
    return [f"picture{i}" for i in range(count)]


def test_means_and_wins_are_those_of_the_pictures():
    a, b, bicubic = np.array([30.0, 20.0, 25.0]), np.array([31.0, 22.0, 24.5]), np.zeros(3)
    psnr = compare("psnr", a, b, bicubic, names(3))
    assert (psnr.a, psnr.bicubic, psnr.pictures) == (25.0, 0.0, 3)
    assert psnr.mean == pytest.approx(2.5 / 3)
    assert psnr.wins == (1, 2)
    assert compare("lpips", a, b, bicubic, names(3)).wins == (2, 1)


@pytest.mark.parametrize("count", [12, 60])
def test_interval_is_scipys_paired_percentile_bootstrap(count):
    a, b, bicubic = pairs(count, 0.1)
    low, high = compare("psnr", a, b, bicubic, names(count), seed=1).interval
    reference = stats.bootstrap(
        (b - a,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    width = reference.high - reference.low
    assert low == pytest.approx(reference.low, abs=0.03 * width)
    assert high == pytest.approx(reference.high, abs=0.03 * width)


def test_pairing_finds_what_the_spread_over_pictures_would_hide():
    a, b, bicubic = pairs(40, 0.2)
    assert stats.ttest_ind(a, b).pvalue > 0.5
    assert compare("psnr", a, b, bicubic, names(40)).better == "b"


@pytest.mark.parametrize("count", [3, 6, 9])
def test_p_value_is_that_of_all_sign_patterns(count):
    a, b, bicubic = pairs(count, 0.2, seed=3)
    differences = b - a
    ranks = stats.rankdata(abs(differences))
    observed = abs((ranks * np.sign(differences)).sum())
    patterns = [abs((ranks * signs).sum()) for signs in itertools.product((-1, 1), repeat=count)]
    expected = np.mean(np.array(patterns) >= observed - 1e-9)
    assert compare("psnr", a, b, bicubic, names(count)).p_value == pytest.approx(expected)


def test_p_value_of_many_pictures_is_scipys():
    a, b, bicubic = pairs(70, 0.05)
    expected = stats.wilcoxon(a, b).pvalue
    assert compare("psnr", a, b, bicubic, names(70)).p_value == pytest.approx(expected)


def test_tiles_of_one_source_count_as_one_observation():
    a, b, bicubic = pairs(24, 0.1)
    tiles = [f"photo{i // 8}" for i in range(24)]
    found = compare("psnr", a, b, bicubic, tiles)
    assert (found.pictures, found.sources) == (24, 3)
    means = (b - a).reshape(3, 8).mean(axis=1)
    assert found.p_value == pytest.approx(stats.wilcoxon(means).pvalue)
    assert means.min() - 1e-12 <= found.interval[0] <= found.interval[1] <= means.max() + 1e-12


def test_few_sources_are_never_significant_but_six_that_agree_are():
    for count in (1, 3, FEWEST_SOURCES - 1):
        a, b, bicubic = pairs(count, 5)
        assert compare("psnr", a, b, bicubic, names(count)).better is None
    a, b, bicubic = pairs(FEWEST_SOURCES, 5)
    assert compare("psnr", a, b, bicubic, names(FEWEST_SOURCES)).better == "b"


@pytest.mark.parametrize(("measure", "better"), [("ssim", "b"), ("gmsd", "a"), ("lpips", "a")])
def test_direction_of_the_measure_decides_who_is_better(measure, better):
    a, b, bicubic = pairs(30, 1)
    assert compare(measure, a, b, bicubic, names(30)).better == better
    assert compare(measure, b, a, bicubic, names(30)).better == {"a": "b", "b": "a"}[better]


def test_identical_networks_do_not_differ():
    a, _, bicubic = pairs(20, 0)
    same = compare("psnr", a, a.copy(), bicubic, names(20))
    assert (same.mean, same.interval, same.p_value, same.better) == (0, (0, 0), 1, None)
    assert same.wins == (0, 0)


def test_under_no_difference_few_comparisons_are_significant():
    found = [compare("psnr", *pairs(8, 0, seed=seed), names(8), seed).better for seed in range(40)]
    assert sum(better is not None for better in found) <= 6  # 2 expected


def test_measures_are_the_columns_with_a_bicubic_twin():
    columns = ["set", "id", "psnr", "lpips", "psnr_bicubic", "lpips_bicubic", "note"]
    assert measures_of(columns) == ["psnr", "lpips"]
