"""What a training says while it goes on, and records of what it ran on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline import stage, train
from pipeline.stage import paths
from pipeline.stage.record import Trained
from srcnn.training.loop import Training
from tests.support import small_project
from tests.support.git import commit_all
from tests.support.params import write_params
from tests.support.paths import ROOT


@pytest.fixture
def project(whole_project, tmp_path, monkeypatch):
    """A small project, ready to be trained, which is committed."""
    results = shutil.ignore_patterns("models", "metrics")
    shutil.copytree(whole_project, tmp_path, ignore=results, dirs_exist_ok=True)
    small_project.enter(tmp_path, monkeypatch)
    commit_all()
    return tmp_path


def test_a_line_at_the_start_for_parameters_not_committed_and_at_each_validation(project, capsys):
    write_params(project, small_project.PARAMS | {"seed": 5})
    stage.run(train.main)
    said = capsys.readouterr()
    start = r"Stage train: 4 steps on cpu, \w+, float32, processes: 1, threads: 1, PyTorch \S+\n"
    assert re.fullmatch(f"{start}Not as committed in params.yaml: seed 0 → 5\n", said.out)
    validated = said.err.splitlines()
    assert [re.match(r"train: step \d", line)[0][-1] for line in validated] == ["0", "2", "4"]
    assert all(re.search(r": validation \d+\.\d\d dB \(bicubic ", line) for line in validated)
    assert [" left" in line for line in validated] == [False, True, False]


def test_the_record_holds_what_was_in_force(project):
    def trained() -> Trained:
        stage.run(train.main)
        return Trained.read(paths.PIXEL.record)

    first = trained()
    assert first.environment.processes == first.environment.threads == 1
    assert trained() == first
    with torch.backends.mkldnn.flags(enabled=False):
        other = trained()
    assert other.key != first.key
    assert other.params == first.params

    write_params(project, small_project.PARAMS | {"train.init": "mine.safetensors"})
    given = []
    for _ in range(2):
        shutil.copy(paths.PIXEL.weights, "mine.safetensors")
        given.append(trained())
    assert given[0].params == given[1].params
    assert given[0].initial == other.weights
    assert given[0].key != given[1].key


def test_fewer_threads_than_asked_for_are_told_before_anything_is_removed(project):
    write_params(project, small_project.PARAMS | {"machine.threads": 2})
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.check"],
        env=os.environ | {"OMP_THREAD_LIMIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("ERROR: machine.threads is 2, but OpenMP gives only 1 here (OMP")
    assert ended.stderr.count("\n") == 1


def test_what_is_edited_meanwhile_stops_the_stage_and_the_training_is_kept(project, monkeypatch):
    """Until the old state is put back."""
    params = Path("params.yaml")
    as_it_was = params.read_text()
    record = Training._record

    def edit(training, *args):
        params.write_text(as_it_was.replace("lr: 0.001", "lr: 0.002"))
        record(training, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_record", edit)
        with pytest.raises(SystemExit):
            stage.run(train.main)
    assert not paths.PIXEL.weights.exists()
    (state,) = Path(".checkpoints").glob("*/state.pt")
    params.write_text(as_it_was)
    stage.run(train.main)
    assert paths.PIXEL.weights.exists()
    assert not state.exists()
