import numpy as np
import pytest

from srcnn.inference.resolver import bicubic
from srcnn.scoring.classical import psnr, shave, ssim
from srcnn.training.process_group import ProcessGroup
from srcnn.training.validation import Validation
from tests.support.pairs import write_pairs
from tests.support.pictures import noise

SCALE = 4


def write(folder, counts, shape=(64, 80)):
    pictures = [
        (split, noise([len(split), i], shape))
        for split, count in counts.items()
        for i in range(count)
    ]
    return write_pairs(folder / "pairs", SCALE, pictures)


def repeat(lr):
    """Stands in for a model: pixels repeated."""
    return np.kron(lr, np.ones((SCALE, SCALE), np.uint8))


def mean(measure, enlarge, pairs):
    pictures = [(enlarge(pairs.lr(i)), pairs.hr(i)) for i in range(len(pairs))]
    return np.mean([measure(shave(sr, SCALE), shave(hr, SCALE)) for sr, hr in pictures])


def enlarged(lr):
    return bicubic(lr, SCALE)


def test_scores_are_means_over_pictures_spread_over_the_split_beside_bicubic(tmp_path):
    pairs = write(tmp_path, {"train": 2, "val": 6})
    scores = Validation(pairs, pictures=2).scores(repeat, ProcessGroup())

    train, val = pairs.split("train"), pairs.split("val").select([0, 3])
    expected = {
        "train_psnr": mean(psnr, repeat, train),
        "val_psnr": mean(psnr, repeat, val),
        "val_ssim": mean(ssim, repeat, val),
        "train_psnr_bicubic": mean(psnr, enlarged, train),
        "val_psnr_bicubic": mean(psnr, enlarged, val),
        "val_ssim_bicubic": mean(ssim, enlarged, val),
    }
    assert scores == pytest.approx(expected)


def test_snapshots_are_the_centres_of_the_pictures_that_bicubic_reconstructs_worst(tmp_path):
    pairs = write(tmp_path, {"train": 1, "val": 6}, shape=(140, 160))
    val = pairs.split("val")
    errors = [psnr(enlarged(val.lr(i)), val.hr(i)) for i in range(6)]
    shown = [*pairs.split("train"), *val.select(sorted(np.argsort(errors)[:3]))]
    validation = Validation(pairs, pictures=6)
    snapshots = validation.snapshots(
        {5: validation.snapshot(repeat), 0: validation.snapshot(enlarged)}
    )

    assert snapshots["steps"].tolist() == [0, 5]
    assert snapshots["sr"].shape == (2, 4, 128, 128)
    assert snapshots["in_training"].tolist() == [True, False, False, False]
    centre = (slice(6, 134), slice(16, 144))
    for i, (lr, hr) in enumerate(shown):
        np.testing.assert_array_equal(snapshots["hr"][i], hr[centre])
        np.testing.assert_array_equal(snapshots["bicubic"][i], enlarged(lr)[centre])
        np.testing.assert_array_equal(snapshots["sr"][0, i], snapshots["bicubic"][i])
        np.testing.assert_array_equal(snapshots["sr"][1, i], repeat(lr)[centre])
