import json
import shutil
from collections import Counter
from dataclasses import replace
from unittest.mock import Mock
from zlib import crc32

import numpy as np
import pytest

from pipeline.data import raw
from pipeline.data.picture_source import RawPicture
from pipeline.grayscale_and_degrade import main
from pipeline.stage import StageError, params, paths
from pipeline.stage.record import Degraded, Fetched
from srcnn.data.color import LUMA_RANGES, luma
from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs
from srcnn.data.splits import split_of
from srcnn.pictures.images import decode
from tests.support.params import declare_stages, params_with
from tests.support.pictures import encoded, noise, png

SOURCES = [f"photo-{i}" for i in range(12)]
NOISY = {"degrade.blur_sigma": 1.0, "degrade.noise_sigma": 8.0, "degrade.jpeg_quality": 60}


def raw_picture(source: str, part: int = 0, size: tuple[int, int] = (50, 67)) -> RawPicture:
    picture_id = f"{source}/{part}"
    return RawPicture(picture_id, source, png(crc32(picture_id.encode()), size))


def write_raw(pictures: list[RawPicture], skip_unreadable: bool = False) -> None:
    shutil.rmtree(paths.RAW, ignore_errors=True)
    paths.RAW.mkdir(parents=True)
    raw.write(pictures, paths.RAW, skip_unreadable)
    fetched = Fetched("celeba-hq", "0123abc", len(pictures), {"data.source": "celeba-hq"})
    fetched.write(paths.FETCHED)


def load(**changes: object) -> params.Params:
    """The project's parameters, scale 2 and small patches, with others by their dotted names."""
    small = {"degrade.scale": 2, "train.patch_size": 24, "data.split_salt": 7}
    return params_with(small | changes)


def run(**changes: object) -> Pairs:
    main(load(**changes))
    return Pairs.open(paths.PAIRS)


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    declare_stages(tmp_path)


def by_id(pairs: Pairs) -> dict[str, tuple[str, bytes]]:
    """The split and the LR pixels of each picture."""
    return {name: (pairs.splits[i], pairs.lr(i).tobytes()) for i, name in enumerate(pairs.ids)}


@pytest.mark.parametrize("luma_range", LUMA_RANGES)
def test_pairs_of_mixed_sizes_with_gray_pictures_among_them_and_known_splits(luma_range):
    sizes = [(50, 67), (64, 64), (49, 80)]
    pictures = [raw_picture(s, size=sizes[i % 3]) for i, s in enumerate(SOURCES)]
    pictures.append(RawPicture("gray/0", "gray", encoded(noise(0, (50, 67)))))
    splits = ["train", "val", "test", "test", *["train"] * 9]
    write_raw([replace(p, split=split) for p, split in zip(pictures, splits, strict=True)])
    pairs = run(**{"degrade.scale": 3, "degrade.luma": luma_range})
    assert (pairs.scale, pairs.luma) == (3, luma_range)
    assert pairs.ids == [p.id for p in pictures]
    assert pairs.sources == [*SOURCES, "gray"]
    assert pairs.splits == splits
    for i, original in enumerate(pictures):
        gray = luma(decode(original.data), luma_range)
        height, width = (side // 3 * 3 for side in gray.shape)
        np.testing.assert_array_equal(pairs.hr(i), gray[:height, :width])
        np.testing.assert_array_equal(pairs.lr(i), downscale(gray[:height, :width], 3))


def test_pictures_of_one_source_stay_together_and_data_metrics_count_them():
    broken = RawPicture("broken.png", "broken.png", b"no picture")
    write_raw([raw_picture(s, part) for part in range(2) for s in SOURCES] + [broken], True)
    pairs = run()
    assert len(set(zip(pairs.sources, pairs.splits, strict=True))) == len(SOURCES)
    pictures = Counter(pairs.splits)
    report = json.loads(paths.DATA_METRICS.read_text())
    assert report == {
        "source": "celeba-hq",
        "revision": "0123abc",
        "pictures": {split: pictures[split] for split in ("train", "val", "test")},
        "sources": {split: pictures[split] // 2 for split in ("train", "val", "test")},
        "unreadable": {"count": 1, "files": ["broken.png"]},
    }
    assert sum(report["sources"].values()) == len(SOURCES)


def test_other_pictures_and_any_number_of_workers_change_neither_split_nor_noise():
    write_raw([raw_picture(s) for s in SOURCES])
    few = by_id(run(**NOISY, **{"machine.workers": 1}))
    write_raw([raw_picture(s) for s in ["added-1", *reversed(SOURCES), "added-2"]])
    assert few.items() <= by_id(run(**NOISY, **{"machine.workers": 3})).items()


def test_seed_and_name_decide_the_noise_and_pairs_know_what_they_were_made_with():
    flat = encoded(np.full((50, 67), 128, np.uint8))
    copies = [RawPicture(f"copy-{i}", "flat", flat) for i in range(9)]
    write_raw([raw_picture(s) for s in SOURCES] + copies)
    first = run(seed=1, **NOISY)
    degraded = Degraded.read(paths.DEGRADED)
    made = by_id(first)
    assert len({made[copy.id] for copy in copies}) == len(copies)
    assert run(seed=1, **NOISY).digest == first.digest != run(seed=2, **NOISY).digest

    assert degraded.pairs == first.digest
    assert degraded.params["data.source"] == "celeba-hq"  # from fetch
    assert (degraded.params["seed"], degraded.params["degrade.scale"]) == (1, 2)
    assert not [name for name in degraded.params if name.startswith("train.")]


def of_split(split: str, side: int, others: int) -> list[RawPicture]:
    """Pictures, those of a split of another size."""
    shares, salt = load().data.split.model_dump(), load().data.split_salt
    sides = {s: side if split_of(s, shares, salt) == split else others for s in SOURCES}
    return [raw_picture(s, size=(height, height + 7)) for s, height in sides.items()]


@pytest.mark.parametrize(
    ("pictures", "changes", "match"),
    [
        (
            [raw_picture(s, size=(64, 64)) for s in SOURCES] + [raw_picture("tiny", size=(90, 63))],
            {"degrade.scale": 8},
            r"degrade.scale is 8: .* at least 64x64 .* 1 of 13 .* tiny/0 \(63x90\)",
        ),
        (
            of_split("val", 51, 80),
            {"train.patch_size": 60},
            r"train.patch_size is 60; at most 50 .* photo-\d+/0 \(58x51, cropped",
        ),
    ],
    ids=["scale", "patch"],
)
def test_what_cannot_be_is_said_before_a_picture_is_read_and_the_last_pairs_stay(
    monkeypatch, pictures, changes, match
):
    write_raw(pictures)
    paths.PAIRS.mkdir(parents=True)
    monkeypatch.setattr(raw, "read", Mock(side_effect=AssertionError("a picture was read")))
    with pytest.raises(StageError, match=match):
        main(load(**changes))
    assert paths.PAIRS.exists()


def test_a_small_test_picture_does_not_limit_the_patch():
    write_raw(of_split("test", 30, 60))
    assert set(run(**{"train.patch_size": 60}).heights) == {30, 60}
