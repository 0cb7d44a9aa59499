"""Several processes train one network: the same curve, the same bits each time, no orphans."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from pipeline import finetune, stage, train
from pipeline.stage import paths
from pipeline.training.checkpoints import Checkpoints
from tests.support import small_project
from tests.support.mlflow_server import free_port
from tests.support.params import write_params
from tests.support.paths import ROOT

STEPS = 10  # of each stage
PARAMS = small_project.PARAMS | {
    "machine.processes": 2,
    "train.steps": STEPS,
    "train.checkpoint_every": 5,
    "train.validate_every": STEPS,
    "train.batch_size": 5,  # of which one of two processes has 3 patches, and the other 2
    "train.val_pictures": 3,  # the same
    "loss.adversarial_weight": 0.01,
    "loss.adversarial": "vanilla",  # the other kind takes means over a process's share
    "loss.perceptual_weight": 0.1,
    "loss.perceptual_layers": {"relu1_2": 1.0},
    "loss.vgg19_weights": "random",
    "finetune.batch_size": 4,
    "finetune.perceptual_patches": 2,
    "finetune.steps": STEPS,
    "finetune.validate_every": STEPS,
}

# A stage whose first process kills itself.
KILLED = """
import os, signal
from pipeline import finetune, stage
from pipeline.training.checkpoints import Checkpoints

Checkpoints.save = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
stage.run(finetune.main)
"""


@pytest.fixture(scope="module")
def together(whole_project, tmp_path_factory):
    """A small project, trained by two processes of a launcher, and fine-tuned by two of its own."""
    folder = tmp_path_factory.mktemp("together")
    other = tmp_path_factory.mktemp("other") / "checkout"
    shutil.copytree(whole_project, folder, dirs_exist_ok=True)
    write_params(folder, PARAMS)
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("models"))
    port = {"MASTER_PORT": str(free_port())}
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        with patch.context() as launcher:
            process = start("-m", "pipeline.train", cwd=other, **launched(1), **port)
            for name, value in (launched(0) | port).items():
                launcher.setenv(name, value)
            stage.run(train.main)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        stage.run(finetune.main)
    assert not (other / "models").exists()
    return folder


@pytest.fixture
def project(together, empty_store, tmp_path, monkeypatch):
    """It after the training, before the fine-tuning, in the current folder."""
    shutil.copytree(together, tmp_path, dirs_exist_ok=True)
    shutil.copy(empty_store, tmp_path)
    enter(tmp_path, monkeypatch)
    for path in paths.TUNED.results:
        path.unlink()


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    small_project.enter(folder, patch)
    patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")
    odd = folder / "t mp%41é"  # the processes meet in a file there
    odd.mkdir(exist_ok=True)
    patch.setattr(tempfile, "tempdir", str(odd))


def start(*arguments: str, cwd: Path = Path(), **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | environment,
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


@pytest.mark.parametrize(
    ("module", "files", "begin"), [(train, paths.PIXEL, 0), (finetune, paths.TUNED, STEPS)]
)
def test_two_processes_take_the_steps_of_one(project, together, module, files, begin):
    write_params(Path(), PARAMS | {"machine.processes": 1})
    stage.run(module.main)
    # The first steps: each rounding is made larger by those after it.
    alone, of_both = (
        pd.read_csv(folder / files.curve).query(f"{begin} < step <= {begin + 8}")
        for folder in (Path(), together)
    )
    assert len(alone) == 4
    assert list(of_both) == list(alone)
    told = [name for name in alone if name == "train_told"]  # which rounding may turn
    np.testing.assert_allclose(of_both.drop(columns=told), alone.drop(columns=told), 0, 1e-4)


def test_a_killed_process_ends_all_and_the_training_resumes_to_the_same_bits(
    project, together, monkeypatch, capfd
):
    save = Checkpoints.save

    def save_and_kill(self, state):
        save(self, state)
        for child in psutil.Process().children():
            if "pipeline.finetune" in child.cmdline():
                child.kill()

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_kill)
        with pytest.raises(SystemExit):
            stage.run(finetune.main)
    said = capfd.readouterr().err
    assert said.count("ERROR: one of the 2 training processes ended before its time") == 1
    assert "Traceback" not in said

    first = start("-c", KILLED)
    output, _ = first.communicate(timeout=120)  # which the other process, too, holds open
    assert first.returncode == -signal.SIGKILL, output
    assert "Traceback" not in output
    assert not paths.TUNED.weights.exists()

    stage.run(finetune.main)
    assert "Continuing at step 5 of 10." in capfd.readouterr().out
    for path in paths.TUNED.results:
        assert path.read_bytes() == (together / path).read_bytes()


@pytest.mark.parametrize(
    ("processes", "error"),
    [
        (1, "ERROR: machine.processes is 1, but the launcher started 2 processes. "),
        (2, "ERROR: the 2 training processes do not find each other: "),  # without MASTER_PORT
    ],
)
def test_what_a_launcher_did_wrong_is_one_line(project, monkeypatch, capsys, processes, error):
    write_params(Path(), PARAMS | {"machine.processes": processes})
    for name, value in launched(0).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        stage.run(train.main)
    said = capsys.readouterr().err
    assert said.startswith(error)
    assert said.count("\n") == 1
