"""On a full disk a stage ends with one line that names the file; with room it completes."""

import shutil

import pytest

from pipeline import stage
from pipeline.stage import paths
from tests.support import small_project

RESULTS = {
    "grayscale-and-degrade": paths.DATA_METRICS,
    "train": paths.PIXEL.weights,
    "finetune": paths.TUNED.weights,
    "mix": paths.WEIGHTS,
    "evaluate": paths.PER_IMAGE,
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_stage_on_a_full_disk(whole_project, tmp_path, monkeypatch, capsys, name):
    shutil.copytree(whole_project, tmp_path, dirs_exist_ok=True)
    small_project.enter(tmp_path, monkeypatch)
    result, made = RESULTS[name], RESULTS[name].read_bytes()
    result.unlink()
    # /dev/full is a disk without room: a write to it fails as on any full disk.
    (result.parent / f".{result.name}.partial").symlink_to("/dev/full")
    with pytest.raises(SystemExit):
        stage.run(*small_project.STAGES[name])
    said = [line for line in capsys.readouterr().err.splitlines() if "validation" not in line]
    (line,) = said
    assert line.startswith("ERROR: ")
    assert f"No space left on device: '{result}'" in line
    assert not result.exists()
    stage.run(*small_project.STAGES[name])
    assert result.read_bytes() == made
