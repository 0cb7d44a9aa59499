import dataclasses
import io
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.data import raw
from pipeline.grayscale_and_degrade import main
from pipeline.stage import StageError, params, paths
from pipeline.stage.record import Degraded
from srcnn.imresize import downscale
from srcnn.pairs import Pairs
from srcnn.splits import split_of
from tests.pictures import declare_stages

PROJECT = Path(__file__).parents[2]
SOURCES = [f"photo-{i}" for i in range(12)]


def picture(name: str, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(list(name.encode()))
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def raw_picture(source: str, part: int = 0, size: tuple[int, int] = (50, 67)) -> raw.RawPicture:
    picture_id = f"{source}/{part}"
    return raw.RawPicture(picture_id, source, png(picture(picture_id, *size)))


def write_raw(pictures: list[raw.RawPicture], unreadable: raw.Unreadable | None = None) -> None:
    paths.RAW.mkdir(parents=True)
    raw.write(pictures, paths.RAW, unreadable)
    meta = raw.Meta("celeba-hq", "0123abc", len(pictures), {"data.source": "celeba-hq"})
    (paths.RAW / raw.META).write_text(json.dumps(asdict(meta)))


def load(**overrides: object) -> params.Params:
    """The project's parameters, scale 2 and small patches, with dotted keys overridden."""
    tree = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))
    small = {"degrade.scale": 2, "train.patch_size": 24, "data.split_salt": 7}
    for key, value in (small | overrides).items():
        section, _, leaf = key.rpartition(".")
        (tree[section] if section else tree)[leaf] = value
    return params.Params.model_validate(tree)


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    declare_stages(tmp_path)


def pixels_by_id(pairs: Pairs) -> dict[str, tuple[bytes, bytes]]:
    return {
        picture_id: (pairs.hr(i).tobytes(), pairs.lr(i).tobytes())
        for i, picture_id in enumerate(pairs.ids)
    }


def test_pairs_of_mixed_sizes():
    sizes = [(50, 67), (64, 64), (49, 80)]
    pictures = [raw_picture(s, size=sizes[i % 3]) for i, s in enumerate(SOURCES)]
    write_raw(pictures)
    main(load(**{"degrade.scale": 3}))

    pairs = Pairs.open(paths.PAIRS)
    assert (pairs.scale, pairs.luma) == (3, "full")
    assert pairs.ids == [p.id for p in pictures]
    assert pairs.sources == SOURCES
    for i, original in enumerate(pictures):
        gray = np.asarray(Image.open(io.BytesIO(original.data)).convert("L"))
        height, width = (side // 3 * 3 for side in gray.shape)
        np.testing.assert_array_equal(pairs.hr(i), gray[:height, :width])
        np.testing.assert_array_equal(pairs.lr(i), downscale(gray[:height, :width], 3))


@pytest.mark.parametrize("workers", [2, None])
def test_any_number_of_workers_writes_the_same_pairs(workers):
    write_raw([raw_picture(source, size=(40 + i, 50)) for i, source in enumerate(SOURCES)])
    files = {}
    for count in (1, workers):
        main(load(**{"machine.workers": count, "degrade.noise_sigma": 2.0}))
        files[count] = {f.name: f.read_bytes() for f in paths.PAIRS.iterdir()}
    assert files[1] == files[workers]


def test_studio_luma():
    write_raw([raw_picture(s) for s in SOURCES])
    main(load(**{"degrade.luma": "studio"}))
    pairs = Pairs.open(paths.PAIRS)
    assert pairs.luma == "studio"
    assert pairs.hr_data.min() >= 16
    assert pairs.hr_data.max() <= 235


def test_gray_pictures_are_squeezed_into_studio_luma_like_colour_ones():
    gray = {source: picture(source, 50, 67)[..., 0] for source in SOURCES}
    write_raw([raw.RawPicture(source, source, png(pixels)) for source, pixels in gray.items()])
    main(load(**{"degrade.luma": "studio"}))
    pairs = Pairs.open(paths.PAIRS)
    for i, name in enumerate(pairs.ids):
        squeezed = np.floor(16 + gray[name][:50, :66] * (219 / 255) + 0.5)
        np.testing.assert_array_equal(pairs.hr(i), squeezed)


def test_crops_of_one_source_stay_together():
    write_raw([raw_picture(s, part) for part in range(3) for s in SOURCES])
    main(load())
    pairs = Pairs.open(paths.PAIRS)
    split_by_source = set(zip(pairs.sources, pairs.splits, strict=True))
    assert len(split_by_source) == len(SOURCES)
    assert {split for _, split in split_by_source} == {"train", "val", "test"}


NOISY = {"degrade.blur_sigma": 1.0, "degrade.noise_sigma": 8.0, "degrade.jpeg_quality": 60}


def test_other_pictures_change_neither_split_nor_noise(tmp_path, monkeypatch):
    write_raw([raw_picture(s) for s in SOURCES])
    main(load(**NOISY))
    few = Pairs.open(paths.PAIRS)

    (tmp_path / "more").mkdir()
    declare_stages(tmp_path / "more")
    monkeypatch.chdir(tmp_path / "more")
    write_raw([raw_picture(s) for s in ["added-1", *reversed(SOURCES), "added-2"]])
    main(load(**NOISY))
    more = Pairs.open(paths.PAIRS)

    few_splits, more_splits = (dict(zip(p.ids, p.splits, strict=True)) for p in (few, more))
    assert few_splits.items() <= more_splits.items()
    assert pixels_by_id(few).items() <= pixels_by_id(more).items()


def test_seed_decides_the_noise():
    write_raw([raw_picture(s) for s in SOURCES])
    digests = []
    for seed in (1, 1, 2):
        main(load(seed=seed, **NOISY))
        digests.append(Pairs.open(paths.PAIRS).digest)
    assert digests[0] == digests[1] != digests[2]


def test_equal_pictures_get_different_noise():
    flat = png(np.full((50, 67), 128, np.uint8))
    copies = [raw.RawPicture(f"copy-{i}", "flat", flat) for i in range(9)]
    write_raw([raw_picture(s) for s in SOURCES] + copies)
    main(load(**{"degrade.noise_sigma": 8.0}))
    pixels = pixels_by_id(Pairs.open(paths.PAIRS))
    assert len({pixels[copy.id][1] for copy in copies}) == len(copies)


def test_data_metrics_count_what_there_is():
    broken = raw.RawPicture("broken.png", "broken.png", b"no picture")
    write_raw(
        [raw_picture(s, part) for part in range(2) for s in SOURCES] + [broken],
        raw.Unreadable(skip=True),
    )
    main(load())
    report = json.loads(paths.DATA_METRICS.read_text())
    pairs = Pairs.open(paths.PAIRS)
    pictures = Counter(pairs.splits)
    assert report == {
        "source": "celeba-hq",
        "revision": "0123abc",
        "pictures": {split: pictures[split] for split in ("train", "val", "test")},
        "sources": {split: pictures[split] // 2 for split in ("train", "val", "test")},
        "unreadable": {"count": 1, "files": ["broken.png"]},
    }
    assert sum(report["sources"].values()) == len(SOURCES)


def test_a_split_that_the_source_knows_is_kept():
    pictures = [
        dataclasses.replace(raw_picture(source), split=("train", "val", "test")[i % 3])
        for i, source in enumerate(SOURCES)
    ]
    write_raw(pictures)
    main(load())
    pairs = Pairs.open(paths.PAIRS)
    known = {picture.id: picture.split for picture in pictures}
    assert dict(zip(pairs.ids, pairs.splits, strict=True)) == known


class TestBadInput:
    """Every error comes before a picture is read."""

    @pytest.fixture(autouse=True)
    def no_picture_may_be_read(self, monkeypatch):
        def read(folder: Path) -> None:
            raise AssertionError("a picture was read")

        monkeypatch.setattr(raw, "read", read)

    def test_scale_that_a_picture_does_not_survive(self):
        tiny = raw_picture("tiny", size=(90, 63))
        write_raw([raw_picture(s, size=(64, 64)) for s in SOURCES] + [tiny])
        with pytest.raises(
            StageError,
            match=r"degrade.scale is 8: .* at least 64x64 .* 1 of 13 .* tiny/0 \(63x90\)",
        ):
            main(load(**{"degrade.scale": 8}))

    def test_damaged_index_or_meta(self):
        write_raw([raw_picture(s) for s in SOURCES])
        for name in (raw.META, raw.INDEX):
            content = (paths.RAW / name).read_bytes()
            (paths.RAW / name).write_bytes(content[: len(content) // 2])
            with pytest.raises(StageError, match=f"{name} is damaged: .*Remove data/raw and run"):
                main(load())
            (paths.RAW / name).write_bytes(content)

    def test_patch_larger_than_a_validation_picture(self):
        settings = load(**{"train.patch_size": 60})
        shares, salt = settings.data.split.model_dump(), settings.data.split_salt
        small = next(s for s in SOURCES if split_of(s, shares, salt) == "val")
        write_raw([raw_picture(s, size=(50, 67) if s == small else (80, 80)) for s in SOURCES])
        with pytest.raises(StageError, match=rf"train.patch_size is 60; at most 50 .* {small}/0"):
            main(settings)

    def test_patch_larger_than_the_smallest_training_picture(self):
        write_raw([raw_picture(s, size=(50, 67)) for s in SOURCES])
        with pytest.raises(
            StageError, match=r"train.patch_size is 52; at most 48 .* photo-\d+/0 \(67x50, cropped"
        ):
            main(load(**{"degrade.scale": 4, "train.patch_size": 52}))

    def test_empty_split(self):
        write_raw([raw_picture(source) for source in ("a", "b", "c")])
        with pytest.raises(StageError) as caught:
            main(load(**{"data.split_salt": 1}))
        message = str(caught.value)
        assert "data.split leaves no picture for test: 3 source pictures with data.spl" in message
        assert "train 2 (share 0.7), val 1 (share 0.15), test 0 (share 0.15)" in message
        assert " gives train 1, val 1, test 1; from 23 sources on" in message


def test_small_test_picture_does_not_limit_the_patch():
    settings = load(**{"train.patch_size": 60})
    shares, salt = settings.data.split.model_dump(), settings.data.split_salt
    side = {s: 30 if split_of(s, shares, salt) == "test" else 60 for s in SOURCES}
    write_raw([raw_picture(s, size=(side[s], side[s])) for s in SOURCES])
    main(settings)
    assert set(Pairs.open(paths.PAIRS).heights) == {30, 60}


def test_pairs_know_what_they_were_made_with():
    write_raw([raw_picture(s) for s in SOURCES])
    main(load(seed=3))
    degraded = Degraded.read(paths.DEGRADED)
    assert degraded.pairs == Pairs.open(paths.PAIRS).digest
    assert degraded.params["data.source"] == "celeba-hq"  # from fetch
    assert degraded.params["seed"] == 3
    assert degraded.params["degrade.scale"] == 2
    assert not [name for name in degraded.params if name.startswith("train.")]


def test_damaged_shard_leaves_the_pairs_of_before():
    write_raw([raw_picture(s) for s in SOURCES])
    main(load())
    before = Pairs.open(paths.PAIRS, verify=True).digest
    shard = paths.RAW / "pictures-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(StageError, match=r"pictures-00000\.parquet is damaged"):
        main(load(seed=5))
    assert Pairs.open(paths.PAIRS, verify=True).digest == before


def test_bad_input_keeps_the_pairs_of_before():
    write_raw([raw_picture(s) for s in SOURCES])
    main(load())
    before = Pairs.open(paths.PAIRS).digest
    with pytest.raises(StageError):
        main(load(**{"degrade.scale": 8}))
    assert Pairs.open(paths.PAIRS).digest == before


def test_interrupted_stage_leaves_nothing_that_looks_whole(monkeypatch):
    write_raw([raw_picture(s) for s in SOURCES])
    whole = list(raw.read(paths.RAW))

    def interrupted(folder: Path):
        yield from whole[:5]
        raise KeyboardInterrupt

    monkeypatch.setattr(raw, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(load())
    assert not paths.PAIRS.exists()
    assert not paths.DATA_METRICS.exists()
