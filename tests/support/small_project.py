"""A project of small pictures whose stages take seconds together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import evaluate, fetch, finetune, grayscale_and_degrade, mix, plot, stage, train
from pipeline.tracking import live
from tests.support.params import declare_stages, write_params

PARAMS = {
    "data.source": "folder",
    "data.path": "photos",
    "data.split_salt": 7,
    "degrade.scale": 2,
    "model.srcnn.kernels": [3, 1, 3],
    "model.srcnn.channels": [4, 3],
    "machine.device": "cpu",
    "machine.threads": 1,
    "train.precision": "float32",  # whatever the CPU prefers
    "train.steps": 4,
    "train.patch_size": 24,
    "finetune.patch_size": 24,
    "finetune.steps": 4,
    "finetune.validate_every": 2,
    "train.validate_every": 2,
    "train.log_every": 2,
    "evaluate.lpips": False,
}
# with the name under which each is run, as in its file
STAGES = {
    "fetch": (fetch.main, "fetch"),
    "grayscale-and-degrade": (grayscale_and_degrade.main, "grayscale-and-degrade"),
    "train": (train.main, None),
    "finetune": (finetune.main, None),
    "mix": (mix.main, "mix"),
    "evaluate": (evaluate.main, "evaluate"),
    "plot": (plot.main, "plot"),
}


def make(folder: Path) -> None:
    """The project, without any stage's results."""
    (folder / ".dvc").mkdir(parents=True, exist_ok=True)
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(14):
        pixels = rng.integers(0, 256, (40, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{i}.png")
    declare_stages(folder)
    write_params(folder, PARAMS)


def run_stages() -> None:
    """All but register, in the current folder."""
    for main, name in STAGES.values():
        stage.run(main, name)


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in a folder that is nobody's experiment, and report no training to MLflow."""
    patch.chdir(folder)
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "DVC_EXP_NAME"):
        patch.delenv(name, raising=False)
    patch.setattr(live, "reporting", _to_nobody)


@contextmanager
def _to_nobody(*_: object, **__: object) -> Iterator[Callable[[object], None]]:
    yield lambda row: None
