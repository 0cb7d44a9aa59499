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


@pytest.fixture
def pairs(tmp_path):
    return write(tmp_path, {"train": 2, "val": 6})


def repeat(lr):
    """Stands in for a model: pixels repeated."""
    return np.kron(lr, np.ones((SCALE, SCALE), np.uint8))


def mean(measure, enlarge, pairs):
    pictures = [(enlarge(pairs.lr(i)), pairs.hr(i)) for i in range(len(pairs))]
    return np.mean([measure(shave(sr, SCALE), shave(hr, SCALE)) for sr, hr in pictures])


def enlarged(lr):
    return bicubic(lr, SCALE)


def test_scores_are_means_over_pictures_spread_over_the_split_beside_bicubic(pairs):
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


def test_snapshots_are_the_centres_of_the_pictures(tmp_path):
    pairs = write(tmp_path, {"train": 1, "val": 2}, shape=(140, 160))
    validation = Validation(pairs, pictures=2)
    snapshots = validation.snapshots(
        {5: validation.snapshot(repeat), 0: validation.snapshot(enlarged)}
    )

    assert snapshots["steps"].tolist() == [0, 5]
    assert snapshots["sr"].shape == (2, 3, 128, 128)
    assert snapshots["in_training"].tolist() == [True, False, False]
    centre = (slice(6, 134), slice(16, 144))
    for i in range(3):
        np.testing.assert_array_equal(snapshots["hr"][i], pairs.hr(i)[centre])
        np.testing.assert_array_equal(snapshots["bicubic"][i], enlarged(pairs.lr(i))[centre])
        np.testing.assert_array_equal(snapshots["sr"][0, i], snapshots["bicubic"][i])
        np.testing.assert_array_equal(snapshots["sr"][1, i], repeat(pairs.lr(i))[centre])


def test_snapshots_are_of_the_pictures_that_bicubic_reconstructs_worst(tmp_path):
    pairs = write(tmp_path, {"train": 1, "val": 6}, shape=(64, 64))
    val = pairs.split("val")
    errors = [psnr(enlarged(val.lr(i)), val.hr(i)) for i in range(6)]
    hardest = sorted(np.argsort(errors)[:3])
    validation = Validation(pairs, pictures=6)  # of pictures smaller than a snapshot
    snapshots = validation.snapshots({0: validation.snapshot(enlarged)})
    assert snapshots["sr"].shape == (1, 4, 64, 64)
    for shown, i in enumerate(hardest, 1):
        np.testing.assert_array_equal(snapshots["hr"][shown], val.hr(i))
