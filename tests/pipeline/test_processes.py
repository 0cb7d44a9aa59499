"""Several processes train one network: the same curve, the same bits each time, no orphans."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from pipeline import fetch, grayscale_and_degrade
from pipeline.base import paths, stage
from tests import small_project
from tests.small_project import ROOT

RESULTS = (paths.WEIGHTS, paths.SNAPSHOTS, paths.TRAINING_CURVE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small project with its pairs."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DVC_ROOT", raising=False)
        small_project.make(folder)
        stage.run(fetch.main)
        stage.run(grayscale_and_degrade.main)
    return folder


@pytest.fixture
def project(data, empty_store, tmp_path, monkeypatch):
    """It, in the current folder."""
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    shutil.copy(empty_store, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")
    return tmp_path


def write_params(**changes) -> None:
    train = {f"train.{name}": value for name, value in changes.items()}
    small_project.write_params(Path(), small_project.PARAMS | {"train.steps": 8} | train)


def start(folder: Path = Path(), **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.train"],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def train(**changes) -> list[bytes]:
    """Train with these parameters; the content of the results."""
    write_params(**changes)
    process = start()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return [path.read_bytes() for path in RESULTS]


def curve() -> pd.DataFrame:
    return pd.read_csv(paths.TRAINING_CURVE)


def test_two_processes_take_the_steps_of_one(project):
    train(processes=1, batch_size=5)
    alone = curve()
    first = train(processes=2, batch_size=5)  # shares of 3 and 2
    together = curve()
    assert list(together.columns) == list(alone.columns)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4)
    assert train(processes=2, batch_size=5) == first


def start_up_to_a_checkpoint() -> tuple[subprocess.Popen, psutil.Process]:
    """A training under way, and the other process of the two."""
    began = time.time()
    process = start()
    while not any(f.stat().st_mtime > began for f in Path(".checkpoints").glob("*/state.pt")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    (other,) = psutil.Process(process.pid).children()
    return process, other


def test_a_killed_process_ends_all_and_the_training_resumes(project):
    longer = {"processes": 2, "steps": 600, "validate_every": 300, "checkpoint_every": 5}
    undisturbed = train(**longer)
    for path in RESULTS:
        path.unlink()
    process, other = start_up_to_a_checkpoint()
    other.kill()
    output, _ = process.communicate()
    assert process.returncode == 1
    assert output.count("ERROR: one of the 2 training processes ended before its time") == 1
    assert "Traceback" not in output

    process, other = start_up_to_a_checkpoint()
    process.kill()
    output, _ = process.communicate()
    assert "Traceback" not in output
    assert not psutil.wait_procs([other], timeout=30)[1]
    assert not paths.WEIGHTS.exists()

    process = start()
    output, _ = process.communicate()
    assert "Continuing at step" in output
    assert [path.read_bytes() for path in RESULTS] == undisturbed


def launched(rank: int, size: int) -> dict[str, str]:
    """What a launcher sets for a process on a machine of its own."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    }


def test_processes_of_a_launcher_in_two_checkouts_give_the_bits_of_two_here(project, tmp_path):
    here = train(processes=2)
    for path in RESULTS:
        path.unlink()
    other = tmp_path / "other"
    shutil.copytree(project, other, ignore=shutil.ignore_patterns("other", "mlflow.db*"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = {"MASTER_PORT": str(server.getsockname()[1])}
    second = start(other, **launched(1, 2), **port)
    first = start(**launched(0, 2), **port)
    for process in (first, second):
        output, _ = process.communicate()
        assert process.returncode == 0, output
    assert [path.read_bytes() for path in RESULTS] == here
    assert not (other / paths.WEIGHTS).exists()


def test_a_launcher_must_start_as_many_processes_as_the_record_will_say(project):
    write_params(processes=1)
    output, _ = start(**launched(0, 2)).communicate()
    assert output.splitlines()[-1] == (
        "ERROR: train.processes is 1, but the launcher started 2 processes. "
        "Both must be the same number"
    )


def test_processes_that_do_not_find_each_other_are_one_line(project):
    write_params(processes=2)
    output, _ = start(**launched(0, 2)).communicate()  # without MASTER_PORT
    assert "ERROR: the 2 training processes do not find each other: " in output
    assert "Traceback" not in output
