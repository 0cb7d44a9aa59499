import csv
import io
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import fetch
from pipeline.data import raw
from pipeline.stage import StageError
from srcnn.pictures import images
from tests.pictures import declare_stages, params, png

RAW = Path("data/raw")


def index() -> list[dict[str, str]]:
    with (RAW / raw.INDEX).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
        fetch.main(params())
    return folder / RAW


def test_samples_are_tiles_of_real_photographs(samples):
    pictures = list(raw.read(samples))
    assert len(pictures) > 45
    for picture in pictures:
        tile = images.decode(picture.data)
        assert tile.shape[:2] == (256, 256)
        assert tile.std() > 1  # neither background nor a blank page
        assert picture.data.startswith(b"\x89PNG")
    assert len({images.decode(picture.data).tobytes() for picture in pictures}) == len(pictures)


def test_samples_are_cut_where_their_id_says(samples):
    import skimage.data

    tiles = {picture.id: images.decode(picture.data) for picture in raw.read(samples)}
    face = skimage.data.astronaut()[:256, 96:352]
    np.testing.assert_array_equal(tiles["astronaut/0-96"], face)
    np.testing.assert_array_equal(tiles["brick/256-0"], skimage.data.brick()[256:, :256])
    assert sum(name.startswith("coffee/") for name in tiles) == 2  # 400 x 600: one row of two


def test_samples_know_their_photograph(samples):
    sources = {picture.id: picture.source for picture in raw.read(samples)}
    assert sources["astronaut/0-96"] == "astronaut"
    assert sources["motorcycle_left/0-0"] == sources["motorcycle_right/0-0"] == "motorcycle"
    assert sources["grace_hopper/88-128"] == "grace_hopper"
    assert len(set(sources.values())) == 19


def test_samples_know_their_split_and_no_photograph_makes_up_the_training(samples):
    entries = raw.index(samples)
    splits = {entry.source: entry.split for entry in entries}
    assert (splits["camera"], splits["astronaut"], splits["grace_hopper"]) == (
        "train",
        "test",
        "test",
    )
    sources = Counter(splits.values())
    assert sources["test"] >= 8  # with which p can be as low as 2 / 2**8
    assert sources["val"] >= 2
    tiles = Counter(entry.source for entry in entries if entry.split == "train")
    assert max(tiles.values()) <= 4 < tiles.total() / 6


def test_samples_leave_out_the_black_around_the_retina(samples):
    ids = {picture.id for picture in raw.read(samples)}
    assert any(name.startswith("retina/") for name in ids)
    assert "retina/0-0" not in ids


def test_limited_samples_are_of_different_photographs():
    fetch.main(params(limit=10))
    assert len(index()) == 10
    assert len({row["source"] for row in index()}) == 10


def test_same_samples_same_bytes(samples):
    fetch.main(params())
    assert {f.name: f.read_bytes() for f in RAW.iterdir()} == {
        f.name: f.read_bytes() for f in samples.iterdir()
    }


def test_meta_tells_source_and_count(samples):
    meta, pictures = raw.meta(samples), len(list(raw.read(samples)))
    assert (meta.source, meta.revision, meta.pictures) == ("samples", None, pictures)
    assert meta.params == {
        "data.source": "samples",
        "data.path": None,
        "data.limit": None,
        "data.revision": "main",
        "data.skip_unreadable": False,
        "data.group_by": None,
    }


# folder


@pytest.fixture
def album(checkout):
    folder = checkout / "album"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "b.png").write_bytes(png(0))
    (folder / "a.PNG").write_bytes(png(1, size=(40, 30)))
    for name, kind in [("c.JPG", "JPEG"), ("d.jpeg", "JPEG"), ("e.bmp", "BMP")]:
        Image.open(io.BytesIO(png(len(name)))).save(folder / "sub" / name, kind)
    for name, kind in [("f.tif", "TIFF"), ("g.TIFF", "TIFF"), ("h.webp", "WEBP")]:
        Image.open(io.BytesIO(png(20 + len(name)))).save(folder / "sub" / "deep" / name, kind)
    (folder / "notes.txt").write_text("no picture")
    (folder / "._a.png").write_bytes(b"what some systems leave beside a picture")
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "a.png").write_bytes(png(9))
    return folder


NAMES = ["a.PNG", "b.png", "sub/c.JPG", "sub/d.jpeg"]
NAMES += ["sub/deep/f.tif", "sub/deep/g.TIFF", "sub/deep/h.webp", "sub/e.bmp"]


def test_folder_is_read_whole_and_as_it_is(album):
    fetch.main(params(source="folder", path="album"))
    pictures = list(raw.read(RAW))
    assert [picture.id for picture in pictures] == NAMES
    for picture in pictures:
        assert picture.data == (album / picture.id).read_bytes()
    assert {row["width"] + "x" + row["height"] for row in index()} == {"30x40", "24x16"}


def test_of_pictures_beside_their_lr_the_hr_alone_is_taken(album, capsys):
    for seed, name in enumerate(("sub/0_HR.png", "sub/0_LR.png", "sub/0_bicubic.png")):
        (album / name).write_bytes(png(30 + seed))
    fetch.main(params(source="folder", path="album", limit=4))
    assert [row["id"] for row in index()] == [*NAMES[:2], "sub/0_HR.png", "sub/c.JPG"]
    assert "data.path: left out 2 of 11 pictures" in capsys.readouterr().out


def test_folder_by_absolute_path_and_with_limit(album, tmp_path):
    elsewhere = album.rename(tmp_path / "elsewhere")
    fetch.main(params(source="folder", path=str(elsewhere), limit=3))
    assert [row["id"] for row in index()] == NAMES[:3]


def test_folder_in_an_experiments_copy_is_the_originals(album, checkout, monkeypatch):
    copy = checkout / ".dvc" / "tmp" / "exps" / "tmpabc"
    (copy / ".dvc").mkdir(parents=True)
    declare_stages(copy)
    monkeypatch.chdir(copy)
    fetch.main(params(source="folder", path="album"))
    assert len(index()) == len(NAMES)


def test_copies_of_a_picture_share_their_source(album):
    (album / "sub" / "copy.png").write_bytes((album / "a.PNG").read_bytes())
    fetch.main(params(source="folder", path="album"))
    sources = {row["id"]: row["source"] for row in index()}
    assert sources["sub/copy.png"] == sources["a.PNG"]
    assert len(set(sources.values())) == len(NAMES)


def test_a_copy_that_sorts_first_moves_nothing(album):
    fetch.main(params(source="folder", path="album"))
    before = {row["id"]: row["source"] for row in index()}
    (album / "0.bmp").write_bytes(b"")
    Image.open(album / "sub" / "e.bmp").save(album / "0.bmp")
    fetch.main(params(source="folder", path="album"))
    after = {row["id"]: row["source"] for row in index()}
    assert before.items() <= after.items()
    assert after["0.bmp"] == after["sub/e.bmp"]


# which pictures are of one source


@pytest.fixture
def people(checkout):
    for seed, name in enumerate(PEOPLE):
        file = checkout / "people" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(seed))


PEOPLE = ["anna/1_a.png", "anna/1_b.png", "anna/2_a.png", "bob/2020/1_c.png", "bob/3.png"]
PEOPLE += ["carl/3.png"]
FILLING = 211  # a salt with which no split of them is empty, however they are grouped


def grouped(pattern: str | None, **data: object) -> dict[str, str]:
    people = {"source": "folder", "path": "people", "split_salt": FILLING}
    fetch.main(params(**people, group_by=pattern, **data))
    return {row["id"]: row["source"] for row in index()}


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("pattern", "sources"),
    [
        ("folder", ["anna", "anna", "anna", "bob/2020", "bob", "carl"]),
        (
            "^[^/]+",
            ["anna", "anna", "anna", "bob", "bob", "carl"],
        ),  # without a group: all that matches
        (r"([0-9])(_.)?\.png$", ["1", "1", "2", "1", "3", "3"]),  # of several groups the first
    ],
)
def test_group_by_names_the_source(pattern, sources):
    assert grouped(pattern) == dict(zip(PEOPLE, sources, strict=True))


@pytest.mark.usefixtures("people")
def test_a_limit_takes_many_sources_and_changes_none():
    whole = grouped("folder")
    few = grouped("folder", limit=5)
    assert list(few) == ["anna/1_a.png", "anna/1_b.png", *PEOPLE[3:]]
    assert few.items() <= whole.items()


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("pattern", [r"_(.)\.png", r"_[abc](x)?", r"(x?)_|3"])
def test_a_name_without_a_source_is_an_error_that_names_it(pattern):
    with pytest.raises(StageError, match=r"data\.group_by is .* it finds nothing in '.*\.png'"):
        grouped(pattern)
    assert not RAW.exists()


@pytest.mark.usefixtures("people")
def test_a_picture_in_no_sub_folder_has_no_source(checkout):
    (checkout / "people" / "me.png").write_bytes(png(9))
    with pytest.raises(StageError, match=r"data\.group_by is 'folder', but 'me\.png' is in none"):
        grouped("folder")


@pytest.mark.usefixtures("people")
def test_one_picture_in_two_groups_is_an_error(checkout):
    shutil.copy(checkout / "people/anna/1_a.png", checkout / "people/bob")
    with pytest.raises(StageError, match=r"'bob/1_a\.png' .* same picture as 'anna/1_a\.png'"):
        grouped("folder")
    assert not RAW.exists()
    assert len(set(grouped(None).values())) == len(PEOPLE)


def test_other_sources_of_pictures_have_their_own(samples):
    fetch.main(params(group_by="^(x)"))
    assert [p.source for p in raw.read(RAW)] == [p.source for p in raw.read(samples)]


# names and links


@pytest.mark.parametrize("name", ["a\rb.png", "a\nb.png", "tab\t.png", "\x7f.png", "\udcff.png"])
def test_name_that_no_table_can_hold(album, name):
    (album / name).write_bytes(png(30))
    with pytest.raises(StageError, match=r"cannot be read: its name (is not UTF-8|has a line b)"):
        fetch.main(params(source="folder", path="album"))
    fetch.main(params(source="folder", path="album", skip_unreadable=True))
    assert [file for file, _ in raw.skipped(RAW)] == [ascii(name)]
    assert [row["id"] for row in index()] == NAMES


ODD = [
    ", .png",
    '"quoted".png',
    "'.png",
    ";|&$.png",
    "Zoë 👩‍👩‍👧 ‏.png",
    f"{'n' * 251}.png",
    " .png",
]


def test_any_other_name_works(checkout):
    (checkout / "album").mkdir()
    for seed, name in enumerate(ODD):
        (checkout / "album" / name).write_bytes(png(seed))
    fetch.main(params(source="folder", path="album"))
    assert [row["id"] for row in index()] == sorted(ODD)
    assert [picture.id for picture in raw.read(RAW)] == sorted(ODD)


def test_links_to_folders_are_followed_once(album, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "x.png").write_bytes(png(30))
    (elsewhere / "deep" / "up").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(album)
    (album / "linked").symlink_to(elsewhere)
    (album / "linked again").symlink_to(elsewhere / "deep")
    (album / "0").symlink_to(album / "sub")  # found as sub already
    (album / "above").symlink_to(tmp_path)
    (album / "broken").symlink_to("gone")
    fetch.main(params(source="folder", path="album"))
    ids = [row["id"] for row in index()]
    assert [name for name in ids if not name.endswith("x.png")] == NAMES
    assert len(ids) == len(NAMES) + 1


@pytest.mark.parametrize("make", [lambda folder: None, Path.mkdir, Path.touch])
def test_folder_without_pictures_is_an_error(checkout, make):
    make(checkout / "nothing")
    with pytest.raises(StageError, match=r"data\.path is 'nothing'"):
        fetch.main(params(source="folder", path="nothing"))
    assert not RAW.exists()


def break_two(album: Path) -> None:
    (album / "b.png").write_bytes((album / "b.png").read_bytes()[:200])
    (album / "sub" / "c.JPG").unlink()
    (album / "sub" / "c.JPG").symlink_to("gone")


def test_unreadable_picture_is_an_error_that_names_it(album):
    break_two(album)
    with pytest.raises(StageError, match=r"^b\.png cannot be read"):
        fetch.main(params(source="folder", path="album"))
    assert not RAW.exists()


def test_unreadable_pictures_are_skipped_and_listed(album):
    break_two(album)
    fetch.main(params(source="folder", path="album", skip_unreadable=True))
    assert [file for file, _ in raw.skipped(RAW)] == ["b.png", "sub/c.JPG"]
    assert [row["id"] for row in index()] == [n for n in NAMES if n not in ("b.png", "sub/c.JPG")]


def test_nothing_readable_is_an_error(checkout):
    (checkout / "album").mkdir()
    (checkout / "album" / "a.png").write_bytes(b"")
    with pytest.raises(StageError, match="no picture"):
        fetch.main(params(source="folder", path="album", skip_unreadable=True))
    assert not RAW.exists()


def test_too_few_sources_are_said_by_the_stage_that_reads_them(checkout):
    (checkout / "few").mkdir()
    for seed in range(6):
        (checkout / "few" / f"{seed}.png").write_bytes(png(seed))
    few = {"source": "folder", "path": "few"}
    with pytest.raises(StageError, match=r"^data\.split leaves no picture for ") as caught:
        fetch.main(params(**few))
    assert not RAW.exists()
    salt = re.search(
        r"data\.split_salt (\d+) gives train \d, val \d, test \d; from 23 sour", str(caught.value)
    )
    fetch.main(params(**few, split_salt=int(salt[1])))
    assert len(index()) == 6


def test_a_failed_fetch_leaves_the_last_whole_one(album):
    fetch.main(params(source="folder", path="album"))
    break_two(album)
    with pytest.raises(StageError):
        fetch.main(params(source="folder", path="album"))
    assert len(index()) == len(NAMES)
