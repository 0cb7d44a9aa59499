import numpy as np
import pytest

from srcnn.data.pairs import Pairs, writing_pairs
from tests.support.pictures import noise

# Two sizes, ids that CSV must quote, a source with two pictures.
PICTURES = [
    ("a", "one", "train", (8, 8)),
    ('b,"quoted" ä', "two", "test", (12, 20)),
    ("c", "one", "train", (4, 16)),
    ("d", "three", "val", (8, 12)),
]


HR, LR = noise(0, (8, 8)), noise(1, (2, 2))


def write(folder, pictures=PICTURES, scale=4):
    folder.mkdir(parents=True)
    with writing_pairs(folder, scale, "full") as add:
        for i, (picture_id, source, split, (height, width)) in enumerate(pictures):
            lr = noise(100 + i, (height // scale, width // scale))
            add(picture_id, source, split, noise(i, (height, width)), lr)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "pairs")


def test_what_is_written_is_read(folder):
    pairs = Pairs.open(folder)
    assert (pairs.scale, pairs.luma, len(pairs)) == (4, "full", 4)
    assert pairs.ids == [picture[0] for picture in PICTURES]
    assert pairs.sources == ["one", "two", "one", "three"]
    for i, (*_, (height, width)) in enumerate(PICTURES):
        np.testing.assert_array_equal(pairs.hr(i), noise(i, (height, width)))
        np.testing.assert_array_equal(pairs.lr(i), noise(100 + i, (height // 4, width // 4)))


def test_pixels_are_mapped_and_never_written_back(folder):
    before = np.load(folder / "hr.npy")  # plain arrays, as other tools read them
    pairs = Pairs.open(folder)
    np.testing.assert_array_equal(before, np.concatenate([pairs.hr(i).ravel() for i in range(4)]))
    assert isinstance(pairs.hr_data, np.memmap)
    assert np.shares_memory(pairs.hr(1), pairs.hr_data)
    pairs.hr(0)[:] += 1
    pairs.hr_data.flush()
    np.testing.assert_array_equal(np.load(folder / "hr.npy"), before)


def test_a_split_has_its_pictures_only_and_alone_their_pixels_only(folder):
    train = Pairs.open(folder).split("train")
    alone = train.alone()
    assert train.ids == alone.ids == ["a", "c"]
    for pairs in (train, alone):
        np.testing.assert_array_equal(pairs.hr(1), noise(2, (4, 16)))
        np.testing.assert_array_equal(pairs.lr(1), noise(102, (1, 4)))
    assert alone.hr_data.size == alone.pixels == 8 * 8 + 4 * 16
    with pytest.raises(ValueError, match="'valid'; allowed: train, val, test"):
        Pairs.open(folder).split("valid")


def test_same_pictures_same_bytes(folder, tmp_path):
    again = write(tmp_path / "again")
    for file in folder.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()


@pytest.mark.parametrize("name", ["hr.npy", "lr.npy", "index.csv", "meta.json"])
def test_flipped_bits_are_found_but_those_that_change_nothing(folder, name):
    whole = (folder / name).read_bytes()
    pairs = Pairs.open(folder)
    refused = 0
    places = range(0, len(whole), 3)
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        (folder / name).write_bytes(content)
        try:
            read = Pairs.open(folder)
        except ValueError:
            refused += 1
        else:
            assert (read.scale, read.luma, read.digest) == (4, "full", pairs.digest)
            np.testing.assert_array_equal(read.hr_data, pairs.hr_data)
    assert refused > 0.9 * len(places)


def test_interrupted_writing_leaves_no_set(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing_pairs(tmp_path, 4, "full") as add:  # noqa: PT012
        add("a", "a", "train", HR, LR)
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="no whole set"):
        Pairs.open(tmp_path)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        *(
            (("b", "b", "train", hr, lr), "b: HR is .* HR 4 times as large as LR")
            for hr, lr in [
                (HR, np.zeros((2, 3), np.uint8)),
                (np.zeros((9, 8), np.uint8), LR),
                (np.zeros((8, 8)), LR),
                (np.zeros((8, 8, 12), np.uint8), np.zeros((2, 2, 3), np.uint8)),
            ]
        ),
        (("a", "b", "train", HR, LR), "two pictures have the id 'a'"),
        (("a\rb", "a", "train", HR, LR), "names must be one line"),
        (("b", "a\nb", "train", HR, LR), "names must be one line"),
        (("b", "b", "dev", HR, LR), "b: split is 'dev'; allowed"),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path, picture, reason):
    with writing_pairs(tmp_path, 4, "full") as add:
        add("a", "a", "train", HR, LR)
        with pytest.raises(ValueError, match=reason):
            add(*picture)


def test_no_picture_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no picture"), writing_pairs(tmp_path, 4, "full"):
        pass
