import torch

from pipeline.training.checkpoints import Checkpoints


def test_a_checkpoint_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    saved = Checkpoints(tmp_path)
    saved.save({"step": 3, "weights": torch.arange(4.0)})
    (tmp_path / ".state.pt.partial").symlink_to("/dev/full")  # a disk without room
    saved.save({"step": 4})
    assert saved.load()["step"] == 3
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert "WARNING: the checkpoint cannot be written" in capsys.readouterr().err
