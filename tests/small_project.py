"""A project of small pictures whose stages take seconds together."""

import shutil
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from pipeline import evaluate, fetch, finetune, grayscale_and_degrade, mix, plot, stage, train

ROOT = Path(__file__).parents[1]
PARAMS = {
    "data.source": "folder",
    "data.path": "photos",
    "data.split_salt": 7,
    "degrade.scale": 2,
    "model.srcnn.kernels": [3, 1, 3],
    "model.srcnn.channels": [4, 3],
    "machine.device": "cpu",
    "machine.threads": 1,
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
    (folder / ".dvc").mkdir(parents=True)
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(14):
        pixels = rng.integers(0, 256, (40, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{i}.png")
    shutil.copy(ROOT / "dvc.yaml", folder)
    write_params(folder, PARAMS)


def run_stages() -> None:
    """All but register, in the current folder."""
    for main, name in STAGES.values():
        stage.run(main, name)


def write_params(folder: Path, changes: dict[str, object]) -> None:
    """The project's params.yaml with other values, by dotted names."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name, value in changes.items():
        branch, leaf = branch_of(tree, name)
        branch[leaf] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")


def branch_of(tree: dict, name: str) -> tuple[dict, str]:
    """Where a parameter stands, by its dotted name."""
    *sections, leaf = name.split(".")
    for section in sections:
        tree = tree[section]
    return tree, leaf
