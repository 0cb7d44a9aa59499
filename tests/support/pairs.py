"""Small LR/HR pairs of gray noise, for trainings of a moment."""

from pathlib import Path

import numpy as np

from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, PairsWriter


def noise_pairs(folder: Path, side: int) -> Pairs:
    """Two pictures to train and one to validate, x2, HR of side x side."""
    with PairsWriter(folder, 2, "full") as writer:
        for i, split in enumerate(("train", "train", "val")):
            noise = np.random.default_rng(i).normal(0, 20, (side, side)).cumsum(0)
            hr = np.clip(128 + noise, 0, 255).astype(np.uint8)
            writer.add(f"p{i}", f"p{i}", split, hr, downscale(hr, 2))
    return Pairs.open(folder)
