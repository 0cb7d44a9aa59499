from collections import Counter

import numpy as np
import pytest
import torch

from srcnn.data.imresize import bicubic_upscale
from srcnn.networks.bicubic import Bicubic
from srcnn.networks.network import crop
from srcnn.training import patches
from srcnn.training.patches import PatchSampler
from tests.support.pairs import write_pairs
from tests.support.pictures import noise

SYMMETRIES = [
    lambda p, t=t, k=k: np.rot90(p.T if t else p, k) for t in (False, True) for k in range(4)
]


@pytest.fixture
def write(tmp_path):
    """Makes LR/HR pairs of noise with HR pictures of these shapes."""

    def pairs(*shapes, scale=4):
        pictures = [("train", noise(i, shape)) for i, shape in enumerate(shapes)]
        return write_pairs(tmp_path, scale, pictures)

    return pairs


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def crops(pairs, size):
    """Every patch of every picture, cut from the whole HR and the whole upsampled picture."""
    found = {}
    for i in range(len(pairs)):
        hr, upsampled = pairs.hr(i), bicubic_upscale(pairs.lr(i).astype(np.float64), pairs.scale)
        for y in range(0, hr.shape[0] - size + 1, pairs.scale):
            for x in range(0, hr.shape[1] - size + 1, pairs.scale):
                window = (slice(y, y + size), slice(x, x + size))
                found[hr[window].tobytes()] = upsampled[window]
    return found


def gray(patches):
    return np.rint(patches[:, 0].numpy() * 255).astype(np.uint8)


def check_drawn(pairs, size, expected, augment):
    """These HR patches are drawn, as often as each other, with their LR patches in a wide frame."""
    reach = 9  # beyond small pictures
    draws = 100 * len(expected)
    lr, hr = PatchSampler(pairs, size, reach, augment).draw(draws, generator())
    assert lr.shape[2:] == (size // pairs.scale + 2 * reach,) * 2
    found = [patch.tobytes() for patch in gray(hr)]
    upsampled = Bicubic(pairs.scale)(crop(lr, reach - 2))  # 2: what bicubic needs
    wanted = np.stack([expected[patch] for patch in found])
    np.testing.assert_allclose(255 * upsampled[:, 0], wanted, atol=1e-3)
    counts = Counter(found)
    assert set(counts) == set(expected)
    # Five standard deviations of a binomial count with mean 100.
    assert all(abs(count - 100) < 50 for count in counts.values())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_patches_are_crops_of_the_whole_pictures_from_each_position_alike(write, scale):
    size = 4 * scale
    # The second picture is as small as a patch; the last position of the last picture counts too.
    shapes = (6 * scale, 7 * scale), (size, size), (size, 6 * scale)
    pairs = write(*shapes, scale=scale)
    expected = crops(pairs, size)
    assert len(expected) == 3 * 4 + 1 + 3
    check_drawn(pairs, size, expected, augment=False)


def test_augmentation_is_the_eight_symmetries_of_both_patches(write):
    pairs = write((16, 16))
    hr_whole, lr_whole = pairs.hr(0), bicubic_upscale(pairs.lr(0).astype(np.float64), 4)
    expected = {turn(hr_whole).tobytes(): turn(lr_whole) for turn in SYMMETRIES}
    assert len(expected) == 8

    check_drawn(pairs, 16, expected, augment=True)


def test_the_generator_decides_and_not_where_the_pixels_lie(write):
    pairs = write((32, 40), (24, 24), (40, 32)).select([2, 0])
    draws = [(pairs, 1), (pairs.alone(), 1), (pairs, 2)]
    first, copied, other = (
        PatchSampler(some, 16, 2).draw(50, generator(seed)) for some, seed in draws
    )
    assert all(torch.equal(a, b) for a, b in zip(first, copied, strict=True))
    assert not torch.equal(first[1], other[1])


@pytest.mark.parametrize(
    ("size", "problem"),
    [(18, "patch_size is 18; it must be a multiple of 4"), (36, "the smallest picture has 32")],
)
def test_patch_size_is_checked(write, size, problem):
    pairs = write((48, 32), (40, 48))
    with pytest.raises(ValueError, match=problem):
        PatchSampler(pairs, size, 2)


@pytest.mark.parametrize(("free", "home"), [(10_000, "cuda"), (4_000, "cpu")])
def test_pictures_stay_where_there_is_room_for_them(write, monkeypatch, free, home):
    pairs = write((48, 48))  # 2,448 bytes with their LR pictures
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**6))
    assert patches._home(pairs, torch.device("cuda")).type == home
    assert patches._home(pairs, torch.device("cpu")).type == "cpu"
