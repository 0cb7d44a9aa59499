import json
import shutil

import numpy as np
import pytest

from srcnn.pairs import Pairs, PairsWriter

# Two sizes, ids that CSV must quote, a source with two pictures.
PICTURES = [
    ("a", "one", "train", (8, 8)),
    ('b,"quoted" ä', "two", "test", (12, 20)),
    ("c", "one", "train", (4, 16)),
    ("d", "three", "val", (8, 12)),
]


def pixels(index: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)


def write(folder, pictures=PICTURES, scale=4):
    folder.mkdir(parents=True)
    with PairsWriter(folder, scale, "full") as writer:
        for i, (picture_id, source, split, (height, width)) in enumerate(pictures):
            lr = pixels(100 + i, (height // scale, width // scale))
            writer.add(picture_id, source, split, pixels(i, (height, width)), lr)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "pairs")


def test_what_is_written_is_read(folder):
    pairs = Pairs.open(folder)
    assert (pairs.scale, pairs.luma, len(pairs)) == (4, "full", 4)
    assert pairs.ids == [picture[0] for picture in PICTURES]
    assert pairs.sources == ["one", "two", "one", "three"]
    for i, (*_, shape) in enumerate(PICTURES):
        np.testing.assert_array_equal(pairs.hr(i), pixels(i, shape))
        lr_shape = (shape[0] // 4, shape[1] // 4)
        np.testing.assert_array_equal(pairs.lr(i), pixels(100 + i, lr_shape))


def test_files_are_plain_npy_arrays(folder):
    flat = np.concatenate([pixels(i, shape).ravel() for i, (*_, shape) in enumerate(PICTURES)])
    np.testing.assert_array_equal(np.load(folder / "hr.npy"), flat)


def test_pixels_are_mapped_and_never_written_back(folder):
    before = (folder / "hr.npy").read_bytes()
    pairs = Pairs.open(folder)
    assert isinstance(pairs.hr_data, np.memmap)
    assert np.shares_memory(pairs.hr(1), pairs.hr_data)
    pairs.hr(0)[:] += 1
    pairs.hr_data.flush()
    assert (folder / "hr.npy").read_bytes() == before


def test_split_keeps_its_pictures_only(folder):
    train = Pairs.open(folder).split("train")
    assert train.ids == ["a", "c"]
    np.testing.assert_array_equal(train.hr(1), pixels(2, (4, 16)))
    np.testing.assert_array_equal(train.lr(1), pixels(102, (1, 4)))


def test_split_name_is_checked(folder):
    with pytest.raises(ValueError, match="'valid'; allowed: train, val, test"):
        Pairs.open(folder).split("valid")


def test_select_takes_any_order(folder):
    chosen = Pairs.open(folder).select([3, 0])
    assert chosen.ids == ["d", "a"]
    np.testing.assert_array_equal(chosen.hr(0), pixels(3, (8, 12)))


def test_alone_a_split_has_its_own_pixels_only(folder):
    train = Pairs.open(folder).split("train")
    alone = train.alone()
    assert alone.hr_data.size == alone.pixels == sum(train.hr(i).size for i in range(2))
    for i in range(2):
        np.testing.assert_array_equal(alone.hr(i), train.hr(i))
        np.testing.assert_array_equal(alone.lr(i), train.lr(i))


def test_same_pictures_same_bytes(folder, tmp_path):
    again = write(tmp_path / "again")
    for file in folder.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()


def test_digest_follows_pixels_and_index(folder, tmp_path):
    moved = [*PICTURES[:3], ("d", "three", "test", (8, 12))]
    reshaped = [*PICTURES[:3], ("d", "three", "val", (12, 8))]
    swapped = [PICTURES[1], PICTURES[0], *PICTURES[2:]]
    digests = {Pairs.open(folder).digest}
    for name, pictures in (("moved", moved), ("reshaped", reshaped), ("swapped", swapped)):
        digests.add(Pairs.open(write(tmp_path / name, pictures)).digest)
    assert len(digests) == 4


class TestDamage:
    @pytest.mark.parametrize("name", ["hr.npy", "lr.npy"])
    def test_truncated_pixels(self, folder, name):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1])
        with pytest.raises(ValueError, match="holds no whole set of LR/HR pairs"):
            Pairs.open(folder)

    @pytest.mark.parametrize("name", ["hr.npy", "lr.npy", "index.csv", "meta.json"])
    def test_missing_file(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(ValueError, match=f"no whole set of LR/HR pairs.*{name}"):
            Pairs.open(folder)

    def test_truncated_index(self, folder):
        lines = (folder / "index.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "index.csv").write_text("".join(lines[:-1]), encoding="utf-8")
        with pytest.raises(ValueError, match=r"hr.npy holds uint8 \(464,\).*3 pictures of 368"):
            Pairs.open(folder)

    def test_half_a_line_of_index(self, folder):
        text = (folder / "index.csv").read_text(encoding="utf-8")
        (folder / "index.csv").write_text(text[:-12], encoding="utf-8")
        with pytest.raises(ValueError, match=r"pairs"):
            Pairs.open(folder)

    def test_files_of_another_set(self, folder, tmp_path):
        other = write(tmp_path / "other", PICTURES[1:])
        shutil.copy(other / "lr.npy", folder / "lr.npy")
        with pytest.raises(ValueError, match=r"lr.npy holds uint8"):
            Pairs.open(folder)

    def test_other_scale(self, folder):
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"scale": 2}))
        with pytest.raises(ValueError, match=r"lr.npy holds"):
            Pairs.open(folder)

    @pytest.mark.parametrize("name", ["hr.npy", "lr.npy", "index.csv", "meta.json"])
    def test_flipped_bit(self, folder, name):
        """`verify` finds any, but those that change nothing."""
        whole = (folder / name).read_bytes()
        pairs = Pairs.open(folder, verify=True)
        found = 0
        for place in range(len(whole)):
            content = bytearray(whole)
            content[place] ^= 1 << place % 8
            (folder / name).write_bytes(content)
            try:
                read = Pairs.open(folder, verify=True)
            except ValueError:
                found += 1
            else:
                assert (read.scale, read.luma, read.digest) == (4, "full", pairs.digest)
                np.testing.assert_array_equal(read.hr_data, pairs.hr_data)
        assert found > 0.9 * len(whole)

    @pytest.mark.parametrize("name", ["hr.npy", "lr.npy", "index.csv", "meta.json"])
    @pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
    def test_truncated_file(self, folder, name, share):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=str(folder)):
            Pairs.open(folder, verify=True)

    def test_interrupted_writing_leaves_no_set(self, tmp_path):
        with (  # noqa: PT012
            pytest.raises(KeyboardInterrupt),
            PairsWriter(tmp_path, 4, "full") as writer,
        ):
            writer.add("a", "a", "train", pixels(0, (8, 8)), pixels(1, (2, 2)))
            raise KeyboardInterrupt
        with pytest.raises(ValueError, match="no whole set"):
            Pairs.open(tmp_path)


class TestBadPictures:
    @pytest.mark.parametrize(
        ("hr", "lr"),
        [
            (np.zeros((8, 8), np.uint8), np.zeros((2, 3), np.uint8)),
            (np.zeros((9, 8), np.uint8), np.zeros((2, 2), np.uint8)),
            (np.zeros((8, 8)), np.zeros((2, 2), np.uint8)),
            (np.zeros((8, 8, 12), np.uint8), np.zeros((2, 2, 3), np.uint8)),
        ],
        ids=["widths differ", "no multiple", "float", "colour"],
    )
    def test_shapes_and_dtypes(self, tmp_path, hr, lr):
        with PairsWriter(tmp_path, 4, "full") as writer:
            writer.add("a", "a", "train", pixels(0, (8, 8)), pixels(1, (2, 2)))
            with pytest.raises(ValueError, match=r"face: HR is .* HR 4 times as large as LR"):
                writer.add("face", "face", "train", hr, lr)

    def test_same_id_twice(self, tmp_path):
        with PairsWriter(tmp_path, 4, "full") as writer:
            writer.add("a", "a", "train", pixels(0, (8, 8)), pixels(1, (2, 2)))
            with pytest.raises(ValueError, match="two pictures have the id 'a'"):
                writer.add("a", "b", "train", pixels(0, (8, 8)), pixels(1, (2, 2)))

    @pytest.mark.parametrize(("picture_id", "source"), [("a\rb", "a"), ("a", "a\nb")])
    def test_names_are_one_line(self, tmp_path, picture_id, source):
        with PairsWriter(tmp_path, 4, "full") as writer:
            writer.add("a", "a", "train", pixels(0, (8, 8)), pixels(1, (2, 2)))
            with pytest.raises(ValueError, match="names must be one line"):
                writer.add(picture_id, source, "train", pixels(0, (8, 8)), pixels(1, (2, 2)))

    def test_unknown_split(self, tmp_path):
        with PairsWriter(tmp_path, 4, "full") as writer:
            writer.add("a", "a", "train", pixels(0, (8, 8)), pixels(1, (2, 2)))
            with pytest.raises(ValueError, match="b: split is 'dev'; allowed"):
                writer.add("b", "b", "dev", pixels(0, (8, 8)), pixels(1, (2, 2)))

    def test_no_picture_at_all(self, tmp_path):
        with pytest.raises(ValueError, match="no picture"), PairsWriter(tmp_path, 4, "full"):
            pass
