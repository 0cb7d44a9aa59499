"""What the stages leave to each other, and checkpoints: damaged, it is named, never used.

And a full disk: the stage ends with one line that names the file; with room it completes.
"""

import shutil
from pathlib import Path

import pytest
import torch

from pipeline import stage
from pipeline.stage import paths
from pipeline.training.checkpoints import Checkpoints
from tests.support import small_project

READ = {
    "grayscale-and-degrade": [
        *(f"data/raw/{name}" for name in ("index.csv", "meta.json", "pictures-00000.parquet")),
    ],
    "train": [
        *(f"data/pairs/{name}" for name in ("index.csv", "meta.json", "hr.npy", "lr.npy")),
        "data/pairs.json",
    ],
    "finetune": ["models/pixel.safetensors", "models/pixel-curve.csv", "models/pixel.json"],
    "mix": ["models/tuned.safetensors", "models/tuned.json"],
    "evaluate": ["data/pairs/hr.npy", "models/srcnn.safetensors", "models/training.json"],
    "plot": [
        "data/pairs/meta.json",
        "models/srcnn.safetensors",
        "models/snapshots.safetensors",
        "metrics/training.csv",
        "metrics/per_image.csv",
        "metrics/evaluation.json",
    ],
}
# With no checksum: a changed number in them changes figures alone.
NOT_COMPARED = {
    "models/snapshots.safetensors",
    "metrics/per_image.csv",
    "metrics/evaluation.json",
}


@pytest.fixture
def again(run, whole_project, monkeypatch):
    """Run a stage again in a copy of a small project."""
    small_project.enter(Path.cwd(), monkeypatch)
    shutil.copytree(whole_project, ".", dirs_exist_ok=True)
    return lambda name: run(stage.run, *small_project.STAGES[name])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "a bit flipped": flip_a_bit,
    "removed": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("<html>404</html>\n"),
    "a list": lambda path: path.write_text("[]\n"),
    "a folder": replace_by_folder,
}


@pytest.mark.parametrize(
    ("name", "file"), [(name, file) for name, files in READ.items() for file in files]
)
def test_what_an_earlier_stage_left_damaged_is_named(again, name, file):
    path = Path(file)
    whole = path.read_bytes()
    for kind, damage in DAMAGES.items():
        if kind == "a bit flipped" and file in NOT_COMPARED:
            continue
        path.write_bytes(whole)
        damage(path)
        outcome = again(name)
        assert outcome.is_one_error(), kind
        if kind == "removed" and not file.startswith("data"):
            assert f"{path.name} is missing. `dvc repro` makes it" in outcome.said
        named = (path.name, "data/pairs", "raw/index.csv")
        assert any(name in outcome.said for name in named), kind


def fill_the_disk(file):
    """A write to /dev/full fails as on any full disk."""
    (file.parent / f".{file.name}.partial").symlink_to("/dev/full")


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("grayscale-and-degrade", paths.DATA_METRICS),
        ("train", paths.PIXEL.weights),
        ("mix", paths.WEIGHTS),
        ("evaluate", paths.PER_IMAGE),
    ],
)
def test_a_stage_on_a_full_disk_names_the_file_and_with_room_it_completes(again, name, result):
    made = result.read_bytes()
    result.unlink()
    fill_the_disk(result)
    assert again(name).is_one_error(f"No space left on device: '{result}'")
    assert again(name).made == [str(result)]
    assert result.read_bytes() == made


def test_a_checkpoint_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    saved = Checkpoints(tmp_path)
    saved.save({"step": 3})
    fill_the_disk(tmp_path / "state.pt")
    saved.save({"step": 4})
    assert saved.load() == {"step": 3}
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert "WARNING: the checkpoint cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["a bit flipped", "empty"])
def test_a_damaged_checkpoint_is_named_and_not_used(tmp_path, capsys, kind):
    Checkpoints(tmp_path).save({"step": 3, "weights": torch.arange(100.0)})
    DAMAGES[kind](tmp_path / "state.pt")
    assert Checkpoints(tmp_path).load() is None
    assert "state.pt is damaged (wrong checksum)" in capsys.readouterr().err
