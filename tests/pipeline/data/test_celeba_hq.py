"""celeba-hq through the real clients of the hub, against a stand-in of it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from pipeline import fetch
from pipeline.data import raw
from pipeline.data.celeba_hq import REPO
from pipeline.stage import StageError, paths
from pipeline.stage.record import Fetched
from tests.support.hub import Hub
from tests.support.params import declare_stages, params_with, write_params
from tests.support.paths import ROOT
from tests.support.pictures import png

CELEBA_HQ = {"data.source": "celeba-hq"}
RAW = Path("data/raw")
ROWS, SHARDS = 240, 12


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    declare_stages(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf/hub"))
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
    column = pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    features = {"info": {"features": {"image": {"_type": "Image"}}}}
    table = pa.table({"image": column})
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=10)
    return buffer.getvalue()


@pytest.fixture
def use(monkeypatch):
    """Make the client ask there, as it does with HF_ENDPOINT."""

    def use(url: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", url)

    return use


@pytest.fixture
def hub(files, use):
    with Hub(REPO, files) as server:
        use(server.url)
        yield server


def fetched(**data: object) -> list[bytes]:
    """Run the stage; the pictures that it leaves."""
    changes = {f"data.{name}": value for name, value in data.items()}
    fetch.main(params_with(CELEBA_HQ | changes))
    return [picture.data for picture in raw.read(RAW)]


def refused(**data: object) -> str:
    """Run the stage, which must leave nothing; its error."""
    with pytest.raises(StageError) as caught:
        fetched(**data)
    assert not RAW.exists()
    return str(caught.value)


def test_limit_streams_about_that_much_over_a_dropped_connection(hub, files, portraits):
    hub.drops = 1
    assert fetched(limit=15) == portraits[:15]
    assert hub.drops == 0
    assert [(picture.id, picture.source) for picture in raw.read(RAW)] == [
        (f"celeba-hq/{n:05d}", f"celeba-hq/{n:05d}") for n in range(15)
    ]
    record = Fetched.read(paths.FETCHED)
    assert (record.source, record.revision, record.pictures) == ("celeba-hq", hub.commit, 15)
    assert 0 < hub.served < sum(map(len, files.values())) / 4


def test_rows_without_a_picture_are_skipped_and_rows_of_a_person_are_one_source(
    checkout, portraits, use
):
    """Row 1 is null; rows 2 to 5 have no file, an empty one, half a one, and no picture."""
    odd = (None, b"", portraits[0][:500], b"text")
    rows = [{"bytes": file, "path": "a.png"} for file in (portraits[0], *odd, *portraits[1:10])]
    content = parquet([rows[0], None, *rows[1:]])
    people = {f"celeba-hq/{n:05d}": f"person{n // 2}" for n in range(15)}
    table = "".join(f"{name},{person}\n" for name, person in people.items())
    (checkout / "who.csv").write_text(f"picture,source\n{table}")
    settings = {"limit": 15, "split_salt": 2, "skip_unreadable": True, "group_by": "who.csv"}
    with Hub(REPO, {"data/train-00000-of-00001.parquet": content}) as hub:
        use(hub.url)
        assert fetched(revision=hub.commit, **settings) == portraits[:10]
    assert all(picture.source == people[picture.id] for picture in raw.read(RAW))
    skipped = raw.skipped(RAW)
    assert [name for name, _ in skipped] == list(people)[1:6]
    assert skipped[0][1] == f"row 1 of {REPO} holds no picture"


def test_a_killed_download_of_the_whole_set_continues_and_is_then_cached(
    checkout, hub, portraits, monkeypatch
):
    hub.stall.set()
    write_params(checkout, CELEBA_HQ)
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(checkout / "hf"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.fetch"],
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
    )
    assert hub.stalled.wait(30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not RAW.exists()

    with monkeypatch.context() as offline:
        offline.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "HF_HUB_OFFLINE" in refused()  # what is there of it is not whole

    hub.stall.clear()
    hub.drops = 2
    assert fetched() == portraits
    assert hub.drops == 0
    first = {f.name: f.read_bytes() for f in RAW.iterdir()}

    hub.served = 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fetched()
    assert hub.served == 0
    assert {f.name: f.read_bytes() for f in RAW.iterdir()} == first


def test_unknown_revision(hub):
    assert "data.revision is 'nowhere'" in refused(revision="nowhere")
    assert hub.served == 0


def test_no_network_is_one_error_within_seconds(use):
    began = time.monotonic()
    use(url := "http://127.0.0.1:9")
    error = refused()
    assert time.monotonic() - began < 15
    assert all(named in error for named in (url, "try again", "data.path", "'samples'"))
