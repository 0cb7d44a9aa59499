import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from pipeline.training import checkpoints

STATE = {"weights": torch.arange(4.0)}


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
