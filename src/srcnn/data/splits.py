"""Which pictures serve for what: the split of a source picture, and some of many."""

import hashlib
from collections.abc import Mapping

SPLITS = ("train", "val", "test")


def split_of(source: str, shares: Mapping[str, float], salt: int) -> str:
    """The split of a source picture: "train", "val" or "test".

    A hash of salt and name gives a number in [0, 1), which falls into one of the cumulative shares.
    So neither the other pictures nor their order matter: adding pictures moves none, and all crops
    of one source picture stay together. The shares are met on average, not exactly.

    Args:
        source: the name of the source picture.
        shares: the share of each split; they add up to 1.
        salt: another number gives another split.
    """
    digest = hashlib.sha256(f"{salt}:{source}".encode()).digest()
    position = int.from_bytes(digest[:6]) / 2**48
    if position < shares["train"]:
        return "train"
    return "val" if position < shares["train"] + shares["val"] else "test"


def evenly_spaced(total: int, most: int | None) -> list[int]:
    """Places of at most so many of `total` things, evenly spaced, in order; None: of all."""
    count = total if most is None else min(total, most)
    return [i * total // count for i in range(count)]
