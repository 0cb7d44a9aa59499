"""What a training says while it goes on, where no progress bar can be seen."""

import re
import subprocess
from pathlib import Path

import pytest

from pipeline import fetch, grayscale_and_degrade, train
from pipeline.base import stage
from pipeline.tracking import live
from tests import small_project


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project, ready to be trained, whose parameters are committed."""
    small_project.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(live._Reporter, "start", lambda self: None)
    monkeypatch.setattr(live._Reporter, "join", lambda self, timeout: None)
    for command in (
        ("init", "-q"),
        ("add", "params.yaml"),
        ("-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *command], check=True)
    stage.run(fetch.main)
    stage.run(grayscale_and_degrade.main)
    return tmp_path


def test_a_line_at_the_start_and_at_each_validation(project, capsys):
    stage.run(train.main)
    first, *validated = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Training 4 steps on cpu \(\w+, 1 threads?\) in float32", first)
    assert [line.split(":")[0] for line in validated] == [f"step {n} of 4" for n in (0, 2, 4)]
    assert all(re.search(r": validation \d+\.\d\d dB \(bicubic ", line) for line in validated)
    assert [" left" in line for line in validated] == [False, True, False]


def test_parameters_that_are_not_committed_are_named(project, capsys):
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("seed: 0", "seed: 5"))
    stage.run(train.main)
    assert "Not as committed in params.yaml: seed 0 → 5" in capsys.readouterr().out
