"""Several processes train one network: the same curve, the same bits each time, no orphans."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import psutil
import pytest

from pipeline import fetch, grayscale_and_degrade, stage, train
from pipeline.stage import paths
from tests.support import small_project
from tests.support.paths import ROOT

RESULTS = paths.PIXEL.results
WHOLE_LOSS = {
    "loss.adversarial_weight": 0.01,
    "loss.adversarial": "vanilla",  # the other kind takes means over a process's share
    "loss.perceptual_weight": 0.1,
    "loss.perceptual_layers": {"relu1_2": 1.0},
    "loss.vgg19_weights": "random",
    "finetune.batch_size": 4,
    "finetune.perceptual_patches": 2,
    "finetune.steps": 10,
    "finetune.validate_every": 10,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_store):
    """A small project, trained by two processes that a launcher started in a checkout each."""
    folder = tmp_path_factory.mktemp("trained")
    other = tmp_path_factory.mktemp("other") / "checkout"
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        small_project.make(folder)
        shutil.copy(empty_store, folder)
        stage.run(fetch.main)
        stage.run(grayscale_and_degrade.main)
        write_params(processes=2)
        shutil.copytree(folder, other, ignore=shutil.ignore_patterns("mlflow.db*"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = {"MASTER_PORT": str(server.getsockname()[1])}
        for process in (start(folder, 0, **port), start(other, 1, **port)):
            output, _ = process.communicate()
            assert process.returncode == 0, output
    assert not (other / paths.PIXEL.weights).exists()
    return folder


@pytest.fixture
def project(trained, empty_store, tmp_path, monkeypatch):
    """It before the training, in the current folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    shutil.copy(empty_store, tmp_path)
    enter(tmp_path, monkeypatch)
    for path in RESULTS:
        path.unlink()
    return tmp_path


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(folder)
    patch.delenv("DVC_ROOT", raising=False)
    patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")
    odd = folder / "t mp%41é"  # the processes meet in a file there
    odd.mkdir(exist_ok=True)
    patch.setenv("TMPDIR", str(odd))


def write_params(processes: int, changes: Mapping[str, object] = MappingProxyType({})) -> None:
    of_train = {
        "train.steps": 100,
        "train.validate_every": 50,
        "train.checkpoint_every": 5,
        "train.batch_size": 5,  # of which one of two processes has 3 patches, and the other 2
        "train.val_pictures": 3,  # the same
        "machine.processes": processes,
    }
    small_project.write_params(Path(), small_project.PARAMS | of_train | dict(changes))


def start(
    folder: Path = Path(), rank: int | None = None, stage: str = "train", **environment: str
) -> subprocess.Popen:
    """A training, or with a rank the process of one, as a launcher starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", f"pipeline.{stage}"],
        cwd=folder,
        env=os.environ | environment | ({} if rank is None else launched(rank)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def launched(rank: int) -> dict[str, str]:
    """What a launcher sets for one of two processes, on a machine of its own."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    }


def results(folder: Path = Path()) -> list[bytes]:
    return [(folder / path).read_bytes() for path in RESULTS]


def test_two_processes_take_the_steps_of_one(project, trained):
    write_params(processes=1)
    stage.run(train.main)
    # The first steps: each rounding is made larger by those after it.
    alone, together = (
        pd.read_csv(folder / paths.PIXEL.curve).query("step <= 8") for folder in (project, trained)
    )
    assert list(together.columns) == list(alone.columns)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4)


def test_two_processes_fine_tune_as_one_and_to_the_same_bits_each_time(project, trained):
    shutil.copytree(trained / "models", "models", dirs_exist_ok=True)

    def tuned(processes: int) -> list[bytes]:
        write_params(processes, WHOLE_LOSS)
        process = start(stage="finetune")
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return [path.read_bytes() for path in paths.TUNED.results]

    assert tuned(2) == tuned(2)
    together = pd.read_csv(paths.TRAINING_CURVE)
    tuned(1)
    alone = pd.read_csv(paths.TRAINING_CURVE)
    first = "100 < step <= 108"
    assert len(together.query(first)) == 4
    assert {"train_adversarial", "train_real", "train_fake"} <= set(together)
    # But for the share of right answers, which rounding may turn.
    np.testing.assert_allclose(
        *(each.query(first).drop(columns="train_told") for each in (together, alone)),
        rtol=0,
        atol=1e-4,
    )


def start_up_to_a_checkpoint() -> tuple[subprocess.Popen, psutil.Process]:
    """A training under way in processes that it started, and the other of the two."""
    began = time.time()
    process = start()
    while not any(f.stat().st_mtime > began for f in Path(".checkpoints").glob("*/state.pt")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    (other,) = psutil.Process(process.pid).children()
    return process, other


def test_a_killed_process_ends_all_and_the_training_resumes(project, trained):
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
    assert not paths.PIXEL.weights.exists()

    process = start()
    output, _ = process.communicate()
    assert "Continuing at step" in output
    assert results() == results(trained)


@pytest.mark.parametrize(
    ("processes", "error"),
    [
        (
            1,
            "ERROR: machine.processes is 1, but the launcher started 2 processes. "
            "Both must be the same number\n",
        ),
        (2, "ERROR: the 2 training processes do not find each other: "),  # without MASTER_PORT
    ],
)
def test_what_a_launcher_did_wrong_is_one_line(project, monkeypatch, capsys, processes, error):
    write_params(processes)
    for name, value in launched(0).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        stage.run(train.main)
    said = capsys.readouterr().err
    assert said.startswith(error)
    assert said.count("\n") == 1
