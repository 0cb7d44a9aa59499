import csv
import hashlib
import json

import pyarrow.parquet as pq
import pytest

from pipeline import raw
from pipeline.raw import Picture, Unreadable
from pipeline.stage import StageError
from tests.pictures import png


def index(folder) -> list[dict[str, str]]:
    with (folder / raw.INDEX).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pictures_come_back_as_they_went(tmp_path):
    pictures = [Picture(f"Zoë, {i}/ü.png", f"source {i // 2}", png(i)) for i in range(5)]
    assert raw.write(pictures, tmp_path) == 5
    assert list(raw.read(tmp_path)) == pictures
    assert raw.skipped(tmp_path) == []


def test_index_tells_source_size_and_sha256(tmp_path):
    data = png(0, size=(8, 12))
    raw.write([Picture("a", "photo", data)], tmp_path)
    digest = hashlib.sha256(data).hexdigest()
    expected = {"id": "a", "source": "photo", "width": "12", "height": "8", "sha256": digest}
    assert index(tmp_path) == [expected]


def test_many_pictures_make_few_shards_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "SHARD_BYTES", 10_000)
    monkeypatch.setattr(raw, "GROUP_BYTES", 2_500)
    pictures = [Picture(f"{i:02d}", f"{i:02d}", png(i)) for i in range(60)]
    raw.write(pictures, tmp_path)
    shards = sorted(tmp_path.glob("*.parquet"))
    assert 3 < len(shards) < 20
    assert all(pq.ParquetFile(shard).num_row_groups > 1 for shard in shards[:-1])
    assert [picture.id for picture in raw.read(tmp_path)] == [p.id for p in pictures]


def test_same_pictures_same_bytes(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        raw.write((Picture(str(i), str(i), png(i)) for i in range(4)), folder)
    first, second = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders)
    assert first == second


def test_identical_files_share_one_source(tmp_path):
    raw.write([Picture(name, name, png(name == "b")) for name in "abc"], tmp_path)
    assert [row["source"] for row in index(tmp_path)] == ["a", "b", "a"]
    assert [picture.source for picture in raw.read(tmp_path)] == ["a", "b", "a"]


def test_unreadable_picture_stops(tmp_path):
    with pytest.raises(StageError, match=r"bad\.png cannot be read.*skip_unreadable"):
        raw.write([Picture("bad.png", "bad.png", png(0)[:60])], tmp_path)


def test_unreadable_picture_is_skipped_and_listed(tmp_path):
    pictures = [Picture("bad.png", "bad.png", b"no picture"), Picture("good", "good", png(0))]
    assert raw.write(pictures, tmp_path, Unreadable(skip=True)) == 1
    assert [picture.id for picture in raw.read(tmp_path)] == ["good"]
    [(file, reason)] = raw.skipped(tmp_path)
    assert file == "bad.png"
    assert "not a PNG" in reason


def test_ids_are_unique(tmp_path):
    with pytest.raises(StageError, match="'a'"):
        raw.write([Picture("a", "a", png(0)), Picture("a", "b", png(1))], tmp_path)


def test_shards_hold_plain_columns(tmp_path):
    """Whoever opens them with another tool finds three plain columns."""
    raw.write([Picture("a", "b", png(0))], tmp_path)
    table = pq.read_table(tmp_path / "pictures-00000.parquet")
    assert table.column_names == ["id", "source", "data"]
    assert not json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
