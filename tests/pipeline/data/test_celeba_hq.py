"""celeba-hq through the real clients of the hub, against a stand-in of it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data import raw
from pipeline.data.celeba_hq import REPO
from pipeline.stage import paths
from pipeline.stage.record import Fetched
from tests.support.hub import Hub
from tests.support.params import declare_stages, write_params
from tests.support.paths import ROOT
from tests.support.pictures import png

RAW = Path("data/raw")
ROWS, SHARDS = 240, 12


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    declare_stages(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def portraits() -> list[bytes]:
    return [png(seed, size=(64, 64)) for seed in range(ROWS)]


@pytest.fixture(scope="module")
def files(portraits) -> dict[str, bytes]:
    shards = {"README.md": b"---\nlicense: other\n---\n"}
    for shard in range(SHARDS):
        rows = portraits[shard * ROWS // SHARDS : (shard + 1) * ROWS // SHARDS]
        name = f"data/train-{shard:05d}-of-{SHARDS:05d}.parquet"
        shards[name] = parquet([{"bytes": data, "path": None} for data in rows])
    return shards


def parquet(images: list[dict[str, object] | None]) -> bytes:
    features = {"info": {"features": {"image": {"_type": "Image"}}}}
    column = pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    table = pa.table({"image": column})
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=10)
    return buffer.getvalue()


@pytest.fixture
def hub(files):
    with Hub(REPO, files) as server:
        yield server


def start(checkout: Path, url: str, offline: bool = False, **data: object) -> subprocess.Popen:
    changes = {"source": "celeba-hq"} | data
    write_params(checkout, {f"data.{name}": value for name, value in changes.items()})
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


def fetched(*args, **options) -> list[bytes]:
    """Run the stage to its end; the pictures that it leaves."""
    process = start(*args, **options)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return [picture.data for picture in raw.read(RAW)]


def refused(*args, **options) -> str:
    """Run the stage, which must leave nothing; its one error."""
    process = start(*args, **options)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("ERROR") == 1
    assert "Traceback" not in errors
    assert not RAW.exists()
    return errors


def names_the_ways_on(error: str) -> bool:
    return all(way in error for way in ("try again", "data.path", "'samples'"))


def test_limit_downloads_about_that_much(checkout, hub, files, portraits):
    assert fetched(checkout, hub.url, limit=15) == portraits[:15]
    assert [(picture.id, picture.source) for picture in raw.read(RAW)] == [
        (f"celeba-hq/{n:05d}", f"celeba-hq/{n:05d}") for n in range(15)
    ]
    record = Fetched.read(paths.FETCHED)
    assert (record.source, record.revision, record.pictures) == ("celeba-hq", hub.commit, 15)
    assert 0 < hub.served < sum(map(len, files.values())) / 4


@pytest.fixture
def odd_hub(portraits):
    """Row 1 is null; rows 2 to 5 have no file, an empty one, half a one, and no picture."""
    files = (None, b"", portraits[0][:500], b"text")
    rows = [{"bytes": file, "path": "a.png"} for file in (portraits[0], *files, *portraits[1:10])]
    content = parquet([rows[0], None, *rows[1:]])
    with Hub(REPO, {"data/train-00000-of-00001.parquet": content}) as server:
        yield server


def test_rows_without_a_picture_are_skipped_and_rows_of_a_person_are_one_source(
    checkout, odd_hub, portraits
):
    names = [f"celeba-hq/{n:05d}" for n in range(15)]
    people = {name: f"person{n // 2}" for n, name in enumerate(names)}
    rows = "".join(f"{name},{person}\n" for name, person in people.items())
    (checkout / "who.csv").write_text(f"picture,source\n{rows}")
    settings = {"limit": 15, "split_salt": 2, "skip_unreadable": True, "group_by": "who.csv"}
    assert fetched(checkout, odd_hub.url, **settings) == portraits[:10]
    assert all(picture.source == people[picture.id] for picture in raw.read(RAW))
    skipped = raw.skipped(RAW)
    assert [name for name, _ in skipped] == [f"celeba-hq/{n:05d}" for n in range(1, 6)]
    assert skipped[0][1] == f"row 1 of {REPO} holds no picture"


def test_interrupted_stream_continues(checkout, hub, portraits):
    hub.drops = 1
    assert fetched(checkout, hub.url, limit=25, revision=hub.commit) == portraits[:25]
    assert hub.dropped.is_set()


def test_whole_set_survives_dropped_connections_and_is_then_cached(checkout, hub, portraits):
    hub.drops = 2
    assert fetched(checkout, hub.url) == portraits
    assert hub.drops == 0
    first = {f.name: f.read_bytes() for f in RAW.iterdir()}

    hub.served = 0
    fetched(checkout, hub.url, offline=True)
    assert hub.served == 0
    assert {f.name: f.read_bytes() for f in RAW.iterdir()} == first


def test_killed_download_leaves_nothing_and_continues(checkout, hub, portraits):
    hub.stall.set()
    process = start(checkout, hub.url)
    assert hub.stalled.wait(30)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not RAW.exists()

    error = refused(checkout, hub.url, offline=True)  # what is there of it is not whole
    assert "HF_HUB_OFFLINE" in error
    assert names_the_ways_on(error)

    hub.stall.clear()
    assert fetched(checkout, hub.url) == portraits


def test_unknown_revision(checkout, hub):
    assert "data.revision is 'nowhere'" in refused(checkout, hub.url, revision="nowhere")
    assert hub.served == 0


def test_no_network_is_one_error_within_seconds(checkout):
    began = time.monotonic()
    error = refused(checkout, url := "http://127.0.0.1:9")
    assert time.monotonic() - began < 15
    assert url in error
    assert names_the_ways_on(error)
