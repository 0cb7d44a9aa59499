import csv
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.data import raw
from pipeline.data.raw import RawPicture, Unreadable
from pipeline.stage import StageError
from tests.pictures import png


def index(folder) -> list[dict[str, str]]:
    with (folder / raw.INDEX).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pictures_come_back_as_they_went(tmp_path):
    pictures = [RawPicture(f"Zoë, {i}/ü.png", f"source {i // 2}", png(i)) for i in range(5)]
    assert raw.write(pictures, tmp_path) == 5
    assert list(raw.read(tmp_path)) == pictures
    assert raw.skipped(tmp_path) == []


def test_index_tells_source_size_and_sha256(tmp_path):
    data = png(0, size=(8, 12))
    raw.write([RawPicture("a", "photo", data)], tmp_path)
    digest = hashlib.sha256(data).hexdigest()
    expected = {
        "id": "a",
        "source": "photo",
        "split": "",
        "width": "12",
        "height": "8",
        "sha256": digest,
    }
    assert index(tmp_path) == [expected]


def test_many_pictures_make_few_shards_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "SHARD_BYTES", 10_000)
    monkeypatch.setattr(raw, "GROUP_BYTES", 2_500)
    pictures = [RawPicture(f"{i:02d}", f"{i:02d}", png(i)) for i in range(60)]
    raw.write(pictures, tmp_path)
    shards = sorted(tmp_path.glob("*.parquet"))
    assert 3 < len(shards) < 20
    assert all(pq.ParquetFile(shard).num_row_groups > 1 for shard in shards[:-1])
    assert [picture.id for picture in raw.read(tmp_path)] == [p.id for p in pictures]


def test_same_pictures_same_bytes(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        raw.write((RawPicture(str(i), str(i), png(i)) for i in range(4)), folder)
    first, second = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders)
    assert first == second


@pytest.mark.parametrize("workers", [2, 5, None])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, workers):
    pictures = [RawPicture(f"{i:02d}", None, png(i % 9) if i % 7 else b"no") for i in range(30)]
    folders = {1: tmp_path / "one", workers: tmp_path / "several"}
    for count, folder in folders.items():
        folder.mkdir()
        raw.write(pictures, folder, Unreadable(skip=True), workers=count)
    first, second = (
        {f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders.values()
    )
    assert first == second
    assert len(raw.skipped(tmp_path / "one")) == 5


def test_identical_pictures_share_one_source(tmp_path):
    raw.write([RawPicture(name, name, png(name == "b")) for name in "abc"], tmp_path)
    assert [row["source"] for row in index(tmp_path)] == ["a", "b", "a"]
    assert [picture.source for picture in raw.read(tmp_path)] == ["a", "b", "a"]


def encoded(data: bytes, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, kind, **options)
    return buffer.getvalue()


def test_the_same_pixels_in_other_files_share_one_source(tmp_path):
    original = png(0)
    gray = io.BytesIO()
    Image.open(io.BytesIO(original)).convert("L").save(gray, "PNG")
    pictures = {
        "original": original,
        "smaller file": encoded(original, "PNG", optimize=True),
        "with notes": encoded(original, "PNG", dpi=(300, 300)),
        "bitmap": encoded(original, "BMP"),
        "lossless WebP": encoded(original, "WEBP", lossless=True),
        "its luma": gray.getvalue(),
    }
    assert len(set(pictures.values())) == len(pictures)
    raw.write([RawPicture(name, None, data) for name, data in pictures.items()], tmp_path)
    assert len({row["source"] for row in index(tmp_path)}) == 1


def test_the_same_samples_in_another_shape_are_another_picture(tmp_path):
    stripes = np.random.default_rng(0).integers(0, 256, (8, 12), dtype=np.uint8)
    pictures = [encoded_gray(stripes), encoded_gray(stripes.reshape(12, 8))]
    raw.write([RawPicture(str(i), None, data) for i, data in enumerate(pictures)], tmp_path)
    assert len({row["source"] for row in index(tmp_path)}) == 2


def encoded_gray(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_named_by_its_pixels_is_moved_by_nothing(tmp_path):
    def sources(names: dict[str, int], folder: str) -> dict[str, str]:
        (tmp_path / folder).mkdir()
        raw.write([RawPicture(n, None, png(seed)) for n, seed in names.items()], tmp_path / folder)
        return {row["id"]: row["source"] for row in index(tmp_path / folder)}

    few = sources({"b": 1, "c": 2}, "few")
    more = sources({"a copy of c": 2, "aa": 3, "b": 1, "c": 2}, "more")
    assert few.items() <= more.items()
    assert more["a copy of c"] == more["c"]
    assert sources({"renamed": 2}, "renamed")["renamed"] == few["c"]


def test_one_picture_in_two_of_the_users_groups_is_an_error(tmp_path):
    pictures = [RawPicture("anna/1", "anna", png(0)), RawPicture("bob/7", "bob", png(0))]
    with pytest.raises(
        StageError,
        match=r"data.group_by puts 'bob/7' into source 'bob', but .* 'anna/1' of source 'anna'",
    ):
        raw.write(pictures, tmp_path, grouped=True)


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(raw, "SHARD_BYTES", 3_000)
        monkeypatch.setattr(raw, "GROUP_BYTES", 1_000)
        raw.write([RawPicture(f"{i}", f"{i}", png(i)) for i in range(9)], tmp_path)
        assert len(list(tmp_path.glob("*.parquet"))) == 3
        return tmp_path

    def refused(self, folder: Path, names: str) -> None:
        remedy = f"Remove {folder} and run `dvc repro`"
        with pytest.raises(StageError, match=rf"{names} is damaged: [\s\S]*{re.escape(remedy)}"):
            list(raw.read(folder))

    def test_flipped_bit_of_a_picture(self, folder):
        shard = folder / "pictures-00001.parquet"
        content = bytearray(shard.read_bytes())
        place = content.index(b"IDAT") + 50
        content[place] ^= 4
        shard.write_bytes(content)
        self.refused(folder, r"pictures-00001\.parquet")

    def test_flipped_bits_anywhere(self, folder):
        """Some places of the format carry nothing: what is read is right, or it is an error."""
        shard = folder / "pictures-00001.parquet"
        whole, pictures = shard.read_bytes(), list(raw.read(folder))
        rng = np.random.default_rng(0)
        refused = 0
        for place in rng.integers(len(whole), size=150):
            content = bytearray(whole)
            content[place] ^= 1 << rng.integers(8)
            shard.write_bytes(content)
            try:
                assert list(raw.read(folder)) == pictures
            except StageError:
                refused += 1
        assert refused > 100

    @pytest.mark.parametrize("share", [0, 0.3, 0.99])
    def test_truncated_shard(self, folder, share):
        shard = folder / "pictures-00002.parquet"
        content = shard.read_bytes()
        shard.write_bytes(content[: int(share * len(content))])
        self.refused(folder, r"pictures-00002\.parquet")

    def test_missing_shard_in_the_middle(self, folder):
        (folder / "pictures-00001.parquet").unlink()
        self.refused(folder, r"index\.csv")

    def test_missing_last_shard(self, folder):
        (folder / "pictures-00002.parquet").unlink()
        self.refused(folder, r"index\.csv")

    def test_index_of_fewer_pictures(self, folder):
        lines = (folder / raw.INDEX).read_text().splitlines(keepends=True)
        (folder / raw.INDEX).write_text("".join(lines[:-1]))
        self.refused(folder, r"index\.csv")

    @pytest.mark.parametrize("column", ["id", "source", "sha256"])
    def test_flipped_bit_of_the_index(self, folder, column):
        rows = index(folder)
        rows[4][column] = "X" + rows[4][column][1:]
        with (folder / raw.INDEX).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        self.refused(folder, r"pictures-00001\.parquet")

    def test_index_that_is_no_table(self, folder):
        (folder / raw.INDEX).write_bytes(b"\xff\x00 no table")
        self.refused(folder, r"index\.csv")

    def test_missing_files(self, folder):
        (folder / raw.INDEX).unlink()
        for read in (raw.index, raw.meta):
            with pytest.raises(StageError, match=f"is missing. Remove {folder} and run"):
                read(folder)
            with pytest.raises(StageError, match=r"is missing\. `dvc repro` makes it"):
                read(folder / "nothing")


def test_unreadable_picture_stops(tmp_path):
    with pytest.raises(StageError, match=r"bad\.png cannot be read.*skip_unreadable"):
        raw.write([RawPicture("bad.png", "bad.png", png(0)[:60])], tmp_path)


def test_unreadable_picture_is_skipped_and_listed(tmp_path):
    pictures = [RawPicture("bad.png", "bad.png", b"no picture"), RawPicture("good", "good", png(0))]
    assert raw.write(pictures, tmp_path, Unreadable(skip=True)) == 1
    assert [picture.id for picture in raw.read(tmp_path)] == ["good"]
    [(file, reason)] = raw.skipped(tmp_path)
    assert file == "bad.png"
    assert "not a PNG" in reason


def test_ids_are_unique(tmp_path):
    with pytest.raises(StageError, match="'a'"):
        raw.write([RawPicture("a", "a", png(0)), RawPicture("a", "b", png(1))], tmp_path)


def test_shards_hold_plain_columns(tmp_path):
    """Whoever opens them with another tool finds three plain columns."""
    raw.write([RawPicture("a", "b", png(0))], tmp_path)
    table = pq.read_table(tmp_path / "pictures-00000.parquet")
    assert table.column_names == ["id", "source", "data", "split"]
    assert not json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
