from collections import Counter

import pytest

from srcnn.data.splits import split_of

SHARES = {"train": 0.7, "val": 0.2, "test": 0.1}


def test_shares_are_met_on_average():
    counts = Counter(split_of(f"picture-{i}", SHARES, 0) for i in range(20_000))
    for split, share in SHARES.items():
        assert counts[split] / 20_000 == pytest.approx(share, abs=0.01)


# First digits of `printf '7:moon' | sha256sum` and so on, as a fraction of ffffffff. A change here
# would move pictures between splits, and no result could be compared with an earlier one.
@pytest.mark.parametrize(
    ("source", "split"),
    [
        ("moon", "train"),  # 189a9bb4: 0.10
        ("Bild ä", "train"),  # 8ce49a93: 0.55
        ("000123", "val"),  # ce79e541: 0.81
        ("a/b.png", "val"),  # d937c081: 0.85
        ("astronaut", "test"),  # dd1eb9a0: 0.86
    ],
)
def test_splits_of_known_names_stay(source, split):
    assert split_of(source, {"train": 0.7, "val": 0.15, "test": 0.15}, salt=7) == split


def test_salt_gives_another_split():
    names = [f"picture-{i}" for i in range(100)]
    first, second = ([split_of(name, SHARES, salt) for name in names] for salt in (0, 1))
    assert first != second
