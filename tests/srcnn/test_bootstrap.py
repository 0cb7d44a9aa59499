import tracemalloc

import numpy as np
import pytest

from srcnn.bootstrap import bootstrap_interval


def names(count):
    return [f"{i:05d}" for i in range(count)]


def drawn_one_by_one(values, sources, seed, draws):
    """The definition, source by source."""
    rng = np.random.default_rng(seed)
    kept = sorted(set(sources))
    tiles = {name: [i for i, source in enumerate(sources) if source == name] for name in kept}
    means = []
    for _ in range(draws):
        pictures = [i for k in rng.integers(len(kept), size=len(kept)) for i in tiles[kept[k]]]
        means.append(values[pictures].mean(axis=0))
    return np.percentile(means, [2.5, 97.5], axis=0)


@pytest.mark.parametrize(("sources", "tiles"), [(2, 2), (3, 5), (47, 2)])
def test_interval_is_its_definition(sources, tiles):
    rng = np.random.default_rng(sources)
    names = [f"s{k}" for k in rng.permutation(np.repeat(np.arange(sources), tiles))][1:]
    values = rng.normal(size=(len(names), 3))
    expected = drawn_one_by_one(values, names, seed=4, draws=300)
    np.testing.assert_allclose(bootstrap_interval(values, names, 4, 300), expected, rtol=1e-12)


def test_many_sources_have_the_interval_of_the_central_limit_in_little_memory():
    count = 30_000
    values, sources = np.random.default_rng(0).gamma(2.0, size=(count, 1)), names(count)
    tracemalloc.start()
    low, high = bootstrap_interval(values, sources, seed=0)[:, 0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    error = values.std() / count**0.5
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert peak < 20e6


@pytest.mark.parametrize(("count", "draws"), [(10_000, 10_000), (30_000, 3_333), (10**6, 1_000)])
def test_fewer_samples_are_drawn_of_very_many_sources(count, draws, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "srcnn.bootstrap._resample", lambda rows, n, seed: asked.append(n) or [np.ones((2, 2))]
    )
    bootstrap_interval(np.zeros((count, 1)), np.arange(count), seed=0)
    assert asked == [draws]


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    names = [str(i) for i in range(40)]

    covered = 0
    for trial in range(200):
        values = rng.normal(1.0, 0.5, (40, 1))
        (low,), (high,) = bootstrap_interval(values, names, seed=trial, draws=400)
        covered += low <= 1.0 <= high

    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_depends_on_nothing_but_values_and_seed():
    values = np.random.default_rng(1).normal(size=(20, 2))
    names = [str(i) for i in range(20)]

    first = bootstrap_interval(values, names, seed=5)

    assert np.array_equal(first, bootstrap_interval(values, names, seed=5))
    assert not np.array_equal(first, bootstrap_interval(values, names, seed=6))
    assert first.shape == (2, 2)


def test_more_tiles_of_the_same_photographs_do_not_narrow_the_interval():
    values = np.random.default_rng(1).normal(size=(12, 1))
    names = [str(i) for i in range(12)]

    once = bootstrap_interval(values, names, seed=0)
    tiled = bootstrap_interval(np.tile(values, (9, 1)), names * 9, seed=0)

    assert tiled == pytest.approx(once)
