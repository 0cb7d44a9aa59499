import hashlib
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.data import raw
from pipeline.data.picture_source import RawPicture
from pipeline.stage import StageError
from tests.support.pictures import encoded, noise, png


def sources(folder, pictures) -> dict[str, str]:
    """The sources of pictures that name none, by their ids."""
    folder.mkdir(exist_ok=True)
    raw.write([RawPicture(name, None, data) for name, data in pictures.items()], folder)
    return {entry.id: entry.source for entry in raw.index(folder)}


def test_pictures_come_back_as_they_went_and_the_index_describes_them(tmp_path):
    pictures = [RawPicture(f"Zoë, {i}/ü.png", f"source {i // 2}", png(i)) for i in range(5)]
    assert raw.write(pictures, tmp_path) == 5
    assert list(raw.read(tmp_path)) == pictures
    assert raw.skipped(tmp_path) == []
    digest = hashlib.sha256(pictures[0].data).hexdigest()
    assert raw.index(tmp_path)[0] == raw.Entry("Zoë, 0/ü.png", "source 0", "", 24, 16, digest)
    # Whoever opens the shards with another tool finds plain columns.
    table = pq.read_table(tmp_path / "pictures-00000.parquet")
    assert table.column_names == ["id", "source", "data", "split"]
    assert b"pandas" not in (table.schema.metadata or {})


def test_the_same_pictures_make_the_same_few_shards_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "SHARD_BYTES", 10_000)
    monkeypatch.setattr(raw, "GROUP_BYTES", 2_500)
    pictures = [RawPicture(f"{i:02d}", None, png(i) if i % 7 else b"no") for i in range(60)]
    one, several = tmp_path / "one", tmp_path / "several"
    for folder, workers in ((one, 1), (several, 5)):
        folder.mkdir()
        raw.write(pictures, folder, skip_unreadable=True, workers=workers)
    first, second = ({f.name: f.read_bytes() for f in of.iterdir()} for of in (one, several))
    assert first == second
    files = raw.shards(several)
    assert 3 < len(files) < 20
    assert all(pq.ParquetFile(file).num_row_groups > 1 for file in files[:-1])
    readable = [picture.id for i, picture in enumerate(pictures) if i % 7]
    assert [picture.id for picture in raw.read(several)] == readable


def test_the_same_pixels_in_other_files_share_one_source(tmp_path):
    pixels = noise(0, (16, 24, 3))
    files = {
        "original": encoded(pixels),
        "smaller file": encoded(pixels, "PNG", optimize=True),
        "with notes": encoded(pixels, "PNG", dpi=(300, 300)),
        "bitmap": encoded(pixels, "BMP"),
        "lossless WebP": encoded(pixels, "WEBP", lossless=True),
        "its luma": encoded(np.asarray(Image.fromarray(pixels).convert("L"))),
    }
    assert len(set(files.values())) == len(files)
    assert len(set(sources(tmp_path, files).values())) == 1


def test_the_same_samples_in_another_shape_are_another_picture(tmp_path):
    wide = noise(0, (8, 12))
    files = {"wide": encoded(wide), "high": encoded(wide.reshape(12, 8))}
    assert len(set(sources(tmp_path, files).values())) == 2


def test_a_picture_named_by_its_pixels_is_moved_by_nothing(tmp_path):
    few = sources(tmp_path / "few", {"b": png(1), "c": png(2)})
    copied = {"a copy of c": png(2), "aa": png(3), "b": png(1), "c": png(2)}
    more = sources(tmp_path / "more", copied)
    assert few.items() <= more.items()
    assert more["a copy of c"] == more["c"]
    assert sources(tmp_path / "renamed", {"renamed": png(2)})["renamed"] == few["c"]


def test_ids_are_unique(tmp_path):
    with pytest.raises(StageError, match="'a'"):
        raw.write([RawPicture("a", "a", png(0)), RawPicture("a", "b", png(1))], tmp_path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Nine pictures in three shards."""
    monkeypatch.setattr(raw, "SHARD_BYTES", 3_000)
    monkeypatch.setattr(raw, "GROUP_BYTES", 1_000)
    raw.write([RawPicture(f"{i}", f"{i}", png(i)) for i in range(9)], tmp_path)
    assert len(raw.shards(tmp_path)) == 3
    return tmp_path


def test_a_flipped_bit_of_a_shard_changes_nothing_or_is_an_error(folder):
    """Some places of the format carry nothing."""
    shard = folder / "pictures-00001.parquet"
    whole, pictures = shard.read_bytes(), list(raw.read(folder))
    rng = np.random.default_rng(0)
    refused = 0
    for place in [whole.index(b"IDAT") + 50, *rng.integers(len(whole), size=100)]:
        content = bytearray(whole)
        content[place] ^= 1 << rng.integers(8)
        shard.write_bytes(content)
        try:
            assert list(raw.read(folder)) == pictures
        except StageError:
            refused += 1
    assert refused > 60


@pytest.mark.parametrize("column", ["id", "source", "sha256"])
def test_a_shard_that_the_index_contradicts_is_named_with_the_remedy(folder, column):
    index = pd.read_csv(folder / raw.INDEX, dtype=str)
    index.loc[4, column] += "X"
    index.to_csv(folder / raw.INDEX, index=False)
    remedy = re.escape(f"Remove {folder} and run `dvc repro`")
    with pytest.raises(StageError, match=rf"pictures-00001\.parquet is damaged: .*{remedy}"):
        list(raw.read(folder))
