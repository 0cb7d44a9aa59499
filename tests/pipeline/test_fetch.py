import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from pipeline import fetch, raw
from pipeline.params import Params
from pipeline.sources.celeba_hq import REPO
from pipeline.stage import StageError
from srcnn import images
from tests.hub import Hub

ROOT = Path(__file__).resolve().parents[2]
RAW = Path("data/raw")
ROWS, SHARDS = 240, 12


def params(**data: object) -> Params:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["data"] |= data
    return Params.model_validate(tree)


def index() -> list[dict[str, str]]:
    with (RAW / raw.INDEX).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def png(seed: int, size: tuple[int, int] = (16, 24)) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    """Stages run in their checkout's root; here it is an empty one."""
    folder = tmp_path / "checkout"
    (folder / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


# samples


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fetch.main(params())
    return folder / RAW


def test_samples_are_tiles_of_real_photographs(samples):
    pictures = list(raw.read(samples))
    assert len(pictures) > 60
    for picture in pictures:
        tile = images.decode(picture.data)
        assert tile.shape[:2] == (256, 256)
        assert tile.std() > 1  # neither background nor a blank page
        assert picture.data.startswith(b"\x89PNG")
    assert len({images.decode(picture.data).tobytes() for picture in pictures}) == len(pictures)


def test_samples_are_cut_where_their_id_says(samples):
    import skimage.data

    tiles = {picture.id: images.decode(picture.data) for picture in raw.read(samples)}
    np.testing.assert_array_equal(tiles["astronaut/0-256"], skimage.data.astronaut()[:256, 256:])
    np.testing.assert_array_equal(tiles["camera/256-0"], skimage.data.camera()[256:, :256])
    assert sum(name.startswith("coffee/") for name in tiles) == 2  # 400 x 600: one row of two


def test_samples_know_their_photograph(samples):
    sources = {picture.id: picture.source for picture in raw.read(samples)}
    assert sources["astronaut/0-256"] == "astronaut"
    assert sources["motorcycle_left/0-0"] == sources["motorcycle_right/0-0"] == "motorcycle"
    assert len(set(sources.values())) == 16


def test_samples_leave_out_the_black_around_the_retina(samples):
    ids = {picture.id for picture in raw.read(samples)}
    assert "retina/512-512" in ids
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
    meta = json.loads((samples / "meta.json").read_text())
    pictures = len(list(raw.read(samples)))
    assert meta == {"source": "samples", "revision": None, "pictures": pictures}


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


def test_folder_by_absolute_path_and_with_limit(album, tmp_path):
    elsewhere = album.rename(tmp_path / "elsewhere")
    fetch.main(params(source="folder", path=str(elsewhere), limit=3))
    assert [row["id"] for row in index()] == NAMES[:3]


def test_folder_in_an_experiments_copy_is_the_originals(album, checkout, monkeypatch):
    copy = checkout / ".dvc" / "tmp" / "exps" / "tmpabc"
    (copy / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(copy)
    fetch.main(params(source="folder", path="album"))
    assert len(index()) == len(NAMES)


def test_copies_of_a_picture_share_their_source(album):
    (album / "sub" / "copy.png").write_bytes((album / "a.PNG").read_bytes())
    fetch.main(params(source="folder", path="album"))
    sources = {row["id"]: row["source"] for row in index()}
    assert sources["sub/copy.png"] == sources["a.PNG"] == "a.PNG"
    assert len(set(sources.values())) == len(NAMES)


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


def test_a_failed_fetch_leaves_the_last_whole_one(album):
    fetch.main(params(source="folder", path="album"))
    break_two(album)
    with pytest.raises(StageError):
        fetch.main(params(source="folder", path="album"))
    assert len(index()) == len(NAMES)


# celeba-hq, through the real client against a stand-in of the hub


@pytest.fixture(scope="module")
def portraits() -> list[bytes]:
    return [png(seed, size=(64, 64)) for seed in range(ROWS)]


@pytest.fixture(scope="module")
def files(portraits) -> dict[str, bytes]:
    features = {"info": {"features": {"image": {"_type": "Image"}}}}
    shards = {"README.md": b"---\nlicense: other\n---\n"}
    for shard in range(SHARDS):
        rows = portraits[shard * ROWS // SHARDS : (shard + 1) * ROWS // SHARDS]
        table = pa.table({"image": [{"bytes": data, "path": None} for data in rows]})
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        buffer = io.BytesIO()
        pq.write_table(table, buffer, row_group_size=10)
        shards[f"data/train-{shard:05d}-of-{SHARDS:05d}.parquet"] = buffer.getvalue()
    return shards


@pytest.fixture
def hub(files):
    with Hub(REPO, files) as server:
        yield server


def start(checkout: Path, url: str, offline: bool = False, **data: object) -> subprocess.Popen:
    tree = params(source="celeba-hq", **data).model_dump()
    (checkout / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    environment = os.environ | {
        "HF_ENDPOINT": url,
        "HF_HOME": str(checkout / "hf"),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.fetch"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*args, **options) -> tuple[int, str, float]:
    began = time.monotonic()
    process = start(*args, **options)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors, time.monotonic() - began


def assert_names_the_ways_on(errors: str) -> None:
    assert errors.count("ERROR") == 1
    assert "Traceback" not in errors
    for way in ("try again", "data.path", "'samples'"):
        assert way in errors
    assert not RAW.exists()


def test_limit_downloads_about_that_much(checkout, hub, files, portraits):
    code, errors, _ = run(checkout, hub.url, limit=15)
    assert code == 0, errors
    assert [picture.data for picture in raw.read(RAW)] == portraits[:15]
    assert [(row["id"], row["source"]) for row in index()] == [
        (f"celeba-hq/{n:05d}", f"celeba-hq/{n:05d}") for n in range(15)
    ]
    meta = json.loads((RAW / "meta.json").read_text())
    assert meta == {"source": "celeba-hq", "revision": hub.commit, "pictures": 15}
    assert 0 < hub.served < sum(map(len, files.values())) / 4


def test_interrupted_stream_continues(checkout, hub, portraits):
    hub.drops = 1
    code, errors, _ = run(checkout, hub.url, limit=25, revision=hub.commit)
    assert code == 0, errors
    assert hub.dropped.is_set()
    assert [picture.data for picture in raw.read(RAW)] == portraits[:25]


def test_whole_set_survives_dropped_connections_and_is_then_cached(checkout, hub, portraits):
    hub.drops = 2
    code, errors, _ = run(checkout, hub.url)
    assert code == 0, errors
    assert hub.drops == 0
    assert [picture.data for picture in raw.read(RAW)] == portraits
    first = {f.name: f.read_bytes() for f in RAW.iterdir()}

    hub.served = 0
    code, errors, _ = run(checkout, hub.url, offline=True)
    assert code == 0, errors
    assert hub.served == 0
    assert {f.name: f.read_bytes() for f in RAW.iterdir()} == first


def test_killed_download_leaves_nothing_and_continues(checkout, hub, files):
    hub.stall.set()
    process = start(checkout, hub.url)
    assert hub.stalled.wait(30)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not RAW.exists()

    code, errors, _ = run(checkout, hub.url, offline=True)  # what is there of it is not whole
    assert code == 1
    assert_names_the_ways_on(errors)

    hub.stall.clear()
    code, errors, _ = run(checkout, hub.url)
    assert code == 0, errors
    assert len(index()) == ROWS


def test_unknown_revision(checkout, hub):
    code, errors, _ = run(checkout, hub.url, revision="nowhere")
    assert code == 1
    assert "data.revision is 'nowhere'" in errors
    assert hub.served == 0
    assert not RAW.exists()


@pytest.mark.parametrize("limit", [None, 5])
def test_no_network_is_one_error_within_seconds(checkout, limit):
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        code, errors, seconds = run(checkout, url, limit=limit)
    assert code == 1
    assert seconds < 15
    assert url in errors
    assert_names_the_ways_on(errors)


def test_offline_without_a_cache_is_the_same_error(checkout, hub):
    code, errors, _ = run(checkout, hub.url, offline=True)
    assert code == 1
    assert "HF_HUB_OFFLINE" in errors
    assert_names_the_ways_on(errors)
