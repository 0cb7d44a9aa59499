import numpy as np
import pytest

from srcnn.selection import kept_row, score

NAN = float("nan")


def curve(perceptual):
    return {
        "train_perceptual": np.array([NAN, 0.3, 0.25, 0.2]) * (1.0 if perceptual else NAN),
        "val_loss": np.array([0.9, NAN, 0.4, 0.5]),
        "val_psnr": np.array([28.0, NAN, 27.0, 29.0]),
    }


def test_the_pixel_loss_keeps_the_highest_psnr():
    assert kept_row(curve(perceptual=False)) == 3


def test_a_perceptual_loss_keeps_the_lowest_loss_though_its_psnr_is_lower():
    assert kept_row(curve(perceptual=True)) == 2


@pytest.mark.parametrize("perceptual", [False, True])
def test_row_by_row_the_choice_is_the_same(perceptual):
    columns = curve(perceptual)
    rows = [
        {"val_loss": loss, "val_psnr": psnr} | ({"val_perceptual": 0.1} if perceptual else {})
        for loss, psnr in zip(columns["val_loss"], columns["val_psnr"], strict=True)
    ]
    validated = [0, 2, 3]
    assert max(validated, key=lambda i: score(rows[i])) == kept_row(columns)
