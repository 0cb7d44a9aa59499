import os
import time
from pathlib import Path

import torch

from pipeline.training import checkpoints


def test_only_abandoned_checkpoints_are_removed(project):
    for name in ("abandoned", "recent", "in-use"):
        with checkpoints.of(name) as saved:
            saved.save({"weights": torch.arange(4.0)})
    long_ago = time.time() - checkpoints.ABANDONED - 60
    for name in ("abandoned", "in-use"):
        os.utime(Path(".checkpoints") / name, (long_ago, long_ago))
    with checkpoints.of("in-use"), checkpoints.of("new"):
        there = {path.name for path in Path(".checkpoints").iterdir() if path.is_dir()}
        assert there == {"recent", "in-use"}
