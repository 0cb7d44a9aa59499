import re
import shutil
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import fetch
from pipeline.data import raw
from pipeline.stage import StageError
from pipeline.stage.inputs import params_of
from pipeline.stage.record import Fetched
from srcnn.pictures import images
from tests.pipeline.experiment import write_picture
from tests.support.params import declare_stages, params_with
from tests.support.pictures import noise

RAW = Path("data/raw")


def run(**data: object) -> dict[str, str]:
    """Run the stage with other values in section data; the ids with their sources."""
    fetch.main(params_with({f"data.{name}": value for name, value in data.items()}))
    return {entry.id: entry.source for entry in raw.index(RAW)}


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    """Stages run in their checkout's root; here it is an empty one."""
    folder = tmp_path / "checkout"
    (folder / ".dvc").mkdir(parents=True)
    declare_stages(folder)
    monkeypatch.chdir(folder)
    return folder


# samples


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        declare_stages(folder)
        run()
    return folder / RAW


def test_samples_are_tiles_of_real_photographs_cut_where_their_id_says(samples):
    import skimage.data

    pictures = list(raw.read(samples))
    assert len(pictures) > 45
    tiles = {picture.id: images.decode(picture.data) for picture in pictures}
    for picture, tile in zip(pictures, tiles.values(), strict=True):
        assert tile.shape[:2] == (256, 256)
        assert tile.std() > 1  # neither background nor a blank page
        assert picture.data.startswith(b"\x89PNG")
    assert len({tile.tobytes() for tile in tiles.values()}) == len(pictures)
    face = skimage.data.astronaut()[:256, 96:352]
    np.testing.assert_array_equal(tiles["astronaut/0-96"], face)
    np.testing.assert_array_equal(tiles["brick/256-0"], skimage.data.brick()[256:, :256])
    assert sum(name.startswith("coffee/") for name in tiles) == 2  # 400 x 600: one row of two
    assert any(name.startswith("retina/") for name in tiles)
    assert "retina/0-0" not in tiles  # the black around it


def test_samples_know_their_photograph_and_split_and_none_makes_up_the_training(samples):
    entries = raw.index(samples)
    sources = {entry.id: entry.source for entry in entries}
    assert sources["motorcycle_left/0-0"] == sources["motorcycle_right/0-0"] == "motorcycle"
    assert sources["grace_hopper/88-128"] == "grace_hopper"
    splits = {entry.source: entry.split for entry in entries}
    assert len(splits) == 19
    people = [splits[name] for name in ("camera", "astronaut", "grace_hopper")]
    assert people == ["train", "test", "test"]
    counts = Counter(splits.values())
    assert counts["test"] >= 8  # with which p can be as low as 2 / 2**8
    assert counts["val"] >= 2
    tiles = Counter(entry.source for entry in entries if entry.split == "train")
    assert max(tiles.values()) <= 4 < tiles.total() / 6
    fetched = Fetched.read(samples / "meta.json")
    assert (fetched.source, fetched.revision, fetched.pictures) == ("samples", None, len(entries))
    assert fetched.params == params_of("fetch", params_with())


def test_limited_samples_are_the_first_and_of_different_photographs(samples):
    run(limit=10, group_by="^(x)")  # which is for folders
    few = list(raw.read(RAW))
    assert few == list(raw.read(samples))[:10]
    assert len({picture.source for picture in few}) == 10
    assert {picture.split for picture in few} == {"train", "val", "test"}


# folder


ALBUM = {"source": "folder", "path": "album"}
NAMES = ["a.PNG", "b.png", "sub/c.JPG", "sub/d.jpeg"]
NAMES += ["sub/deep/f.tif", "sub/deep/g.TIFF", "sub/deep/h.webp", "sub/e.bmp"]


@pytest.fixture
def album(checkout):
    folder = checkout / "album"
    for seed, name in enumerate([*NAMES, ".thumbnails/a.png"]):
        write_picture(folder / name, noise(seed, (16, 24, 3)))
    (folder / "notes.txt").write_text("no picture")
    (folder / "._a.png").write_bytes(b"what some systems leave beside a picture")
    return folder


def test_folder_is_read_whole_and_as_it_is(album):
    assert list(run(**ALBUM)) == NAMES
    read = [picture.data for picture in raw.read(RAW)]
    assert read == [(album / name).read_bytes() for name in NAMES]


def test_of_pictures_beside_their_lr_the_hr_alone_is_taken(album, tmp_path, capsys):
    for seed, version in enumerate(("HR", "LR", "bicubic")):
        write_picture(album / f"sub/0_{version}.png", noise(30 + seed, (16, 24)))
    elsewhere = album.rename(tmp_path / "elsewhere")
    sources = run(source="folder", path=str(elsewhere), limit=4, split_salt=0)
    assert list(sources) == [*NAMES[:2], "sub/0_HR.png", "sub/c.JPG"]
    assert "data.path: left out 2 of 11 pictures" in capsys.readouterr().out


# which pictures are of one source


PEOPLE = {  # with who they are in who.csv
    "anna/1_a.png": "anna",
    "anna/1_b.png": "anna",
    "anna/2_a.png": "bob",
    "bob/2020/1_c.png": "bob",
    "bob/3.png": "carl",
    "carl/3.png": "carl",
}
FILLING = 211  # a salt with which no split of them is empty, however they are grouped


@pytest.fixture
def grouped(checkout):
    """Runs the stage on their pictures.

    Beside them are a table that says who is who, one without carl, and what is no table.
    """
    for seed, name in enumerate(PEOPLE):
        write_picture(checkout / "people" / name, noise(seed, (16, 24)))
    table = pd.DataFrame(PEOPLE.items(), columns=["picture", "source"])
    table.to_csv("who.csv", index=False)
    table[:5].to_csv("few.csv", index=False)
    table.to_csv("odd.csv", index=False, header=False)
    return partial(run, source="folder", path="people", split_salt=FILLING)


@pytest.mark.parametrize(
    ("pattern", "sources"),
    [
        ("folder", ["anna", "anna", "anna", "bob/2020", "bob", "carl"]),
        # without a group: all that matches
        ("^[^/]+", ["anna", "anna", "anna", "bob", "bob", "carl"]),
        (r"([0-9])(_.)?\.png$", ["1", "1", "2", "1", "3", "3"]),  # of several groups the first
        ("who.csv", PEOPLE.values()),
    ],
)
def test_group_by_names_the_source(grouped, pattern, sources):
    assert grouped(group_by=pattern) == dict(zip(PEOPLE, sources, strict=True))


def test_a_limit_takes_many_sources_and_changes_none(grouped):
    whole = grouped(group_by="folder")
    few = grouped(group_by="folder", limit=5)
    assert list(few) == [name for name in PEOPLE if name != "anna/2_a.png"]
    assert few.items() <= whole.items()


@pytest.mark.parametrize(
    ("pattern", "added", "said"),
    [
        (r"_(.)\.png", None, r"it finds nothing in '.*\.png'"),
        (r"(x?)_|3", None, r"it finds nothing in '.*\.png'"),
        ("few.csv", None, r"it does not list 'carl/3\.png'"),
        ("odd.csv", None, "is no CSV file with the columns picture and source"),
        ("none.csv", None, "cannot be read"),
        ("folder", "me.png", r"'me\.png' is in none"),
        ("folder", "bob/1_a.png", r"'bob/1_a\.png' .* same picture as 'anna/1_a\.png'"),
    ],
)
def test_a_name_without_a_source_or_with_two_is_an_error(checkout, grouped, pattern, added, said):
    if added:
        shutil.copy(checkout / "people/anna/1_a.png", checkout / "people" / added)
    with pytest.raises(StageError, match=rf"data\.group_by.*{said}"):
        grouped(group_by=pattern)
    assert not RAW.exists()


# what cannot be read


def test_unreadable_pictures_are_an_error_that_names_one_or_are_skipped_and_listed(album):
    run(**ALBUM)
    (album / "b.png").write_bytes((album / "b.png").read_bytes()[:200])
    (album / "sub" / "c.JPG").unlink()
    (album / "sub" / "c.JPG").symlink_to("gone")
    with pytest.raises(StageError, match=r"^b\.png cannot be read"):
        run(**ALBUM)
    assert len(raw.index(RAW)) == len(NAMES)  # the last whole one
    assert list(run(**ALBUM, skip_unreadable=True)) == [NAMES[0], *NAMES[3:]]
    assert [file for file, _ in raw.skipped(RAW)] == ["b.png", "sub/c.JPG"]


def test_too_few_sources_are_said_with_a_salt_that_fills_all_splits(checkout):
    for seed in range(6):
        write_picture(checkout / f"album/{seed}.png", noise(seed, (16, 24)))
    with pytest.raises(StageError, match=r"^data\.split leaves no picture for ") as caught:
        run(**ALBUM)
    assert not RAW.exists()
    salt = re.search(r"data\.split_salt (\d+) gives train \d, val \d, test \d", str(caught.value))
    assert len(run(**ALBUM, split_salt=int(salt[1]))) == 6
