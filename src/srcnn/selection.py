"""Which weights of a training are kept."""

from collections.abc import Mapping

import numpy as np


def score(row: Mapping[str, float]) -> float:
    """How good the weights are that gave a validated row of the training curve; higher is better.

    Validation PSNR or, with a perceptual loss, the validation loss: PSNR would choose the weights
    that have learned least from the perceptual term.
    """
    return -row["val_loss"] if "val_perceptual" in row else row["val_psnr"]


def kept_row(curve: Mapping[str, np.ndarray]) -> int:
    """The row with the best `score`, the first of equals: its weights are the trained model.

    Args:
        curve: columns of the training curve, each (rows,), NaN where a row has no value.
    """
    perceptual = np.isfinite(curve["train_perceptual"]).any()
    scores = -np.asarray(curve["val_loss"]) if perceptual else np.asarray(curve["val_psnr"])
    return int(np.nanargmax(scores))
