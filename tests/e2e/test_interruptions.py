"""Killed, repeated and impossible experiments: the same bits, once in MLflow, nothing lost."""

import os
import signal
import time
from pathlib import Path

from pipeline import stage, train
from tests.support.published import points

RESULTS = (
    "models/pixel.safetensors",
    "models/pixel-snapshots.safetensors",
    "models/pixel-curve.csv",
)
TRAIN = ("dvc", "repro", "--single-item", "train")


def results(project):
    return {path: project.read(path) for path in RESULTS}


def checkpoints(project) -> list[Path]:
    return list((project.folder / ".checkpoints").glob("*/state.pt"))


def test_killed_training_continues_to_the_same_bits_in_the_same_run(project, monkeypatch):
    params = project.folder / "params.yaml"
    longer = params.read_text().replace("steps: 40", "steps: 500")
    params.write_text(longer.replace("validate_every: 20", "validate_every: 250"))
    process = project.start(*TRAIN)
    while not checkpoints(project) or len(project.runs()) < 2:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)  # DVC and all its children
    process.communicate()
    assert not (project.folder / "models/pixel.safetensors").exists()

    dead = project.runs()[1]
    (project.folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)
    assert "Continuing at step" in project.run(*TRAIN)
    continued = results(project)
    _, run = project.runs()
    assert run.info.run_id == dead.info.run_id
    assert run.info.status == "SCHEDULED"
    steps = [step for step, _ in points(project.client, run, "train/loss")]
    assert steps == list(range(5, 501, 5))
    assert not checkpoints(project)

    monkeypatch.chdir(project.folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    stage.run(train.main)  # here, where PyTorch is loaded, and to its end
    assert results(project) == continued
    assert len(project.runs()) == 2


def test_what_is_wrong_is_one_clear_error_while_the_last_results_are_there(project):
    wrong = "+evaluate.test_sets.A=no/folder"
    before = results(project)
    output = project.run("dvc", "exp", "run", "-S", wrong, "-S", "seed=3", fails=True)
    assert project.ran(output) == ["check"]
    assert output.count("ERROR: ") == 2  # ours, and DVC's on its stage
    assert "evaluate.test_sets.A" in output
    assert "Traceback" not in output
    assert results(project) == before
