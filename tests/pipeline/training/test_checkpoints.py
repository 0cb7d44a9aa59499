import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from pipeline.stage import artifacts
from pipeline.training import checkpoints

STATE = {"step": 3, "weights": torch.arange(4.0)}


def test_a_checkpoint_comes_back_as_it_was(project):
    with checkpoints.of("key") as saved:
        assert saved.load() is None
        saved.save(STATE)
    with checkpoints.of("key") as saved:
        loaded = saved.load()
        assert loaded["step"] == 3
        assert torch.equal(loaded["weights"], STATE["weights"])
        saved.remove()
        assert saved.load() is None


def test_a_checkpoint_that_cannot_be_written_is_a_warning(project, monkeypatch, capsys):
    with checkpoints.of("key") as saved:
        saved.save(STATE)

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(artifacts.os, "fsync", full)
            saved.save(STATE | {"step": 4})
        assert saved.load()["step"] == 3
        assert [file.name for file in Path(".checkpoints/key").iterdir()] == ["state.pt"]
    assert "WARNING: the checkpoint cannot be written" in capsys.readouterr().err


def test_an_equal_training_waits_until_the_first_is_done(project, capsys):
    def train():
        with checkpoints.of("key"):
            pass

    with ThreadPoolExecutor() as pool, checkpoints.of("key") as first:
        second = pool.submit(train)
        while "waiting for it" not in capsys.readouterr().out:
            time.sleep(0.01)
        first.save(STATE)
        assert not second.done()
    assert second.done()


def test_only_abandoned_checkpoints_are_removed(project):
    for name in ("abandoned", "recent", "in-use"):
        with checkpoints.of(name) as saved:
            saved.save(STATE)
    long_ago = time.time() - checkpoints.ABANDONED - 60
    for name in ("abandoned", "in-use"):
        os.utime(Path(".checkpoints") / name, (long_ago, long_ago))
    with checkpoints.of("in-use"), checkpoints.of("new"):
        there = {path.name for path in Path(".checkpoints").iterdir() if path.is_dir()}
        assert there == {"recent", "in-use"}
