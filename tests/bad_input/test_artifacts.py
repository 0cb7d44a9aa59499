"""What the stages leave to each other, and checkpoints: damaged, it is named, never used."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline import stage
from pipeline.stage import paths
from pipeline.stage.inputs import digest
from pipeline.stage.record import Trained
from pipeline.training.checkpoints import Checkpoints
from tests.support import small_project

READ = {
    "grayscale-and-degrade": ["raw/index.csv", "raw/meta.json", "raw/pictures-00000.parquet"],
    "train": ["pairs/index.csv", "pairs/meta.json", "pairs/hr.npy", "pairs/lr.npy", "pairs.json"],
    "finetune": [f"../models/pixel{suffix}" for suffix in (".safetensors", "-curve.csv", ".json")],
    "mix": ["../models/tuned.safetensors", "../models/tuned.json"],
    "evaluate": ["pairs/hr.npy", "../models/srcnn.safetensors", "../models/training.json"],
    "plot": [
        "pairs/meta.json",
        "../models/srcnn.safetensors",
        "../models/snapshots.safetensors",
        "../metrics/training.csv",
        "../metrics/per_image.csv",
        "../metrics/evaluation.json",
    ],
}


@pytest.fixture
def again(run, whole_project, monkeypatch):
    """Run a stage again in a copy of a small project, without its old results."""
    small_project.enter(Path.cwd(), monkeypatch)
    shutil.copytree(whole_project, ".", dirs_exist_ok=True)

    def outcome(name):
        return run(stage.run, *small_project.STAGES[name])

    return outcome


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


# With no checksum: a changed number in them changes figures alone.
NOT_COMPARED = {
    "../models/snapshots.safetensors",
    "../metrics/per_image.csv",
    "../metrics/evaluation.json",
}


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "a bit flipped": flip_a_bit,
    "removed": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("<html>404</html>\n"),
    "a folder": replace_by_folder,
    "a list": lambda path: path.write_text("[]\n"),
}


@pytest.mark.parametrize(
    ("name", "file", "damage"),
    [
        (name, file, damage)
        for name, files in READ.items()
        for file in files
        for damage in DAMAGES
        if damage != "a list" or file.endswith(".json")
        if damage != "a bit flipped" or file not in NOT_COMPARED
    ],
)
def test_what_an_earlier_stage_left_damaged_is_named(again, name, file, damage):
    path = Path("data", file)
    DAMAGES[damage](path)
    outcome = again(name)
    assert outcome.is_one_error()
    if damage == "removed" and file.startswith(".."):
        assert f"{path.name} is missing. `dvc repro` makes it" in outcome.said
    named = (path.name, "data/pairs", "raw/index.csv")
    assert any(name in outcome.said for name in named)


WEIGHTS = "models/srcnn.safetensors"


def test_of_a_model_file_that_is_none_the_model_is_named_not_the_pairs(again):
    Path(WEIGHTS).write_bytes(b"no network")
    trained = replace(Trained.read(paths.TRAINED), weights=digest(Path(WEIGHTS)))
    trained.write(paths.TRAINED)  # as if `train` had written it
    outcome = again("evaluate")
    assert outcome.is_one_error(f"Remove {WEIGHTS} and run `dvc repro`")
    assert "data/pairs" not in outcome.said


def test_no_bit_may_flip_in_the_pairs(again):
    path = Path("data/pairs/hr.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert again("train").is_one_error("pairs")


CHECKPOINTS = {
    "empty": lambda whole: b"",
    "digest alone": lambda whole: b"0" * 64,
    "text": lambda whole: b"a checkpoint\n" * 20,
    "cut short": lambda whole: whole[:-9],
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "a bit of its digest": lambda whole: bytes([whole[0] ^ 1]) + whole[1:],
    "its last bit": lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
}


@pytest.mark.parametrize("damage", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_damaged_checkpoint_is_named_and_not_used(tmp_path, capsys, damage):
    Checkpoints(tmp_path).save({"step": 3, "weights": torch.arange(100.0)})
    file = tmp_path / "state.pt"
    file.write_bytes(damage(file.read_bytes()))
    assert Checkpoints(tmp_path).load() is None
    assert "state.pt is damaged (wrong checksum)" in capsys.readouterr().err
