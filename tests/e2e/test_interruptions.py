"""Killed, repeated and twin experiments: the same bits, and each in MLflow once."""

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

RESULTS = ("models/srcnn.safetensors", "models/snapshots.safetensors", "metrics/training.csv")
LONGER = ("-S", "train.steps=1000", "-S", "train.validate_every=500")


def digests(project):
    return {path: hashlib.sha256(project.read(path)).hexdigest() for path in RESULTS}


def kill_when(project, process, condition):
    """SIGKILL DVC and all its children as soon as the condition holds."""
    for _ in range(6000):
        if condition():
            break
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def checkpoints(project) -> list[Path]:
    return list((project.folder / ".checkpoints").glob("*/state.pt"))


def test_killed_training_continues_to_the_same_bits_in_the_same_run(project):
    reference = digests(project)
    (published,) = project.runs()
    process = project.start("dvc", "exp", "run", "-n", "killed", *LONGER)
    kill_when(project, process, lambda: checkpoints(project) and len(project.runs()) == 2)
    assert not (project.folder / "models/srcnn.safetensors").exists()

    # Another experiment finds the dead one. It has the first parameters: the same bits again.
    (project.folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)
    project.run("git", "checkout", "-q", "HEAD", "--", "params.yaml")
    project.run("dvc", "repro", "--force", "--single-item", "train")
    assert digests(project) == reference
    by_status = {run.info.status: run for run in project.runs()}
    assert len(project.runs()) == 2
    assert by_status["FINISHED"].info.run_id == published.info.run_id
    dead = by_status["FAILED"]

    output = project.run("dvc", "exp", "run", "-n", "continued", *LONGER)
    assert "Continuing at step" in output
    continued = digests(project)
    runs = project.runs()
    assert len(runs) == 2
    assert runs[1].info.run_id == dead.info.run_id
    assert (runs[1].info.status, runs[1].info.run_name) == ("FINISHED", "continued")
    steps = [p.step for p in project.client.get_metric_history(runs[1].info.run_id, "train/loss")]
    assert sorted(steps) == list(range(5, 1001, 5))
    assert not checkpoints(project)

    project.run("dvc", "repro", "--force", "--single-item", "train")
    assert digests(project) == continued
    assert len(project.runs()) == 2


def test_training_replayed_into_a_new_store_is_whole(project):
    """What DVC takes from its cache is in the store that is in use, with its whole curve."""
    before = len(project.runs())
    project.run("dvc", "exp", "run", "-n", "other-store", "-S", "tracking.experiment=other")
    experiment = project.client.get_experiment_by_name("other")
    (replayed,) = project.client.search_runs([experiment.experiment_id])
    original = [r for r in project.runs() if r.data.tags["pipeline.state"] == "published"][-1]
    assert len(project.runs()) == before
    assert replayed.info.run_name == "other-store"
    assert replayed.data.metrics.keys() == original.data.metrics.keys()
    for name in ("train/loss", "val/psnr", "test/psnr"):
        curves = [
            sorted(
                (p.step, p.value) for p in project.client.get_metric_history(run.info.run_id, name)
            )
            for run in (replayed, original)
        ]
        assert curves[0] == curves[1]


def test_twins_at_once_give_one_run(project):
    before = len(project.runs())
    for name in ("twin-a", "twin-b"):
        project.run("dvc", "exp", "run", "--queue", "-n", name, "-S", "seed=5")
    project.run("dvc", "queue", "start", "--jobs", "2")
    project.wait_for_queue()
    runs = project.runs()
    assert len(runs) == before + 1
    names = runs[-1].data.tags["pipeline.experiments"].split(", ")
    assert sorted(names) == ["twin-a", "twin-b"]


@pytest.mark.parametrize(
    "wrong",
    ["+evaluate.test_sets.A=no/folder", "loss.vgg19_weights=no.safetensors", "train.optimizer=adm"],
)
def test_what_is_wrong_is_one_clear_error_while_the_last_results_are_there(project, wrong):
    before = {path: project.read(path) for path in RESULTS}
    output = project.run("dvc", "exp", "run", "-S", wrong, "-S", "seed=3", fails=True)
    assert project.ran(output) == ["check"]
    assert output.count("ERROR: ") == 2  # ours, and DVC's on its stage
    assert wrong.partition("=")[0].lstrip("+") in output
    assert "Traceback" not in output
    assert {path: project.read(path) for path in RESULTS} == before
