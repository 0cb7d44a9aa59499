"""Small LR/HR pairs, for trainings of a moment."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, writing_pairs


def write_pairs(
    folder: Path, scale: int, pictures: Iterable[tuple[str, np.ndarray]], luma: str = "full"
) -> Pairs:
    """HR pictures, each with its split, and what bicubic makes of them."""
    folder.mkdir(exist_ok=True)
    with writing_pairs(folder, scale, luma) as add:
        for i, (split, hr) in enumerate(pictures):
            add(f"p{i}", f"p{i}", split, hr, downscale(hr, scale))
    return Pairs.open(folder)


def noise_pairs(folder: Path, side: int) -> Pairs:
    """Two pictures of gray noise to train and one to validate, x2, HR of side x side."""
    pictures = []
    for i, split in enumerate(("train", "train", "val")):
        noise = np.random.default_rng(i).normal(0, 20, (side, side)).cumsum(0)
        pictures.append((split, np.clip(128 + noise, 0, 255).astype(np.uint8)))
    return write_pairs(folder, 2, pictures)
