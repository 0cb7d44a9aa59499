"""VGG19 weights files: one error that names parameter and file, and pickled code never runs."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline import stage
from pipeline.training.terms import build_loss
from tests.bad_input.conftest import Trap
from tests.support.params import params_with

pytestmark = pytest.mark.usefixtures("run")


def refused(file):
    params = params_with(
        {
            "loss.vgg19_weights": file,
            "loss.perceptual_weight": 0.01,
            "loss.perceptual_layers": {"conv1_2": 1.0},
        }
    )
    with pytest.raises(stage.StageError) as caught:
        build_loss(params, "full", torch.device("cpu"), "float32", 1)
    message = str(caught.value)
    assert message.startswith("loss.vgg19_weights")
    assert Path(file).name in message
    assert "\n" not in message
    assert len(message) < 1000
    return message


# Of the first two convolutions, by torchvision's names.
STATE = {
    "features.0.weight": torch.zeros(64, 3, 3, 3),
    "features.0.bias": torch.zeros(64),
    "features.2.weight": torch.zeros(64, 64, 3, 3),
    "features.2.bias": torch.zeros(64),
}
CONTENTS = {
    "no first kernel": {name: kept for name, kept in STATE.items() if name != "features.0.weight"},
    "another shape": STATE | {"features.0.weight": torch.zeros(64, 1, 3, 3)},
    "nan": STATE | {"features.2.bias": torch.full((64,), torch.nan)},
    "batch norm": STATE | {"features.1.weight": torch.ones(64)},
    "integers": STATE | {"features.2.bias": torch.ones(64, dtype=torch.int32)},
    "list": [1, 2],
    "numbers to tensors": {0: torch.zeros(3)},
    "checkpoint": {"state_dict": {"features.0.weight": torch.zeros(3)}, "epoch": 3},
    "sparse": {"features.0.weight": torch.zeros(64, 3, 3, 3).to_sparse()},
    "meta": {"features.0.weight": torch.zeros(64, 3, 3, 3, device="meta")},
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_what_is_no_state_dict_of_the_network_is_named(content):
    torch.save(content, "vgg.pth")
    refused("vgg.pth")


FILES = {
    "empty": b"",
    "text": b"<html>404</html>",
    "noise": np.random.default_rng(0).bytes(2000),
    "pickle of a list": pickle.dumps([1]),
    "pickle cut short": pickle.dumps({"features.0.weight": 1})[:-3],
    "a huge header": (2**60).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_files_of_another_kind_are_named(content, suffix):
    Path(f"vgg{suffix}").write_bytes(content)
    refused(f"vgg{suffix}")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_cut_short_are_named(suffix):
    write = save_file if suffix == ".safetensors" else torch.save
    write(STATE, f"vgg{suffix}")
    content = Path(f"vgg{suffix}").read_bytes()
    for size in np.random.default_rng(0).integers(len(content), size=12):
        Path(f"vgg{suffix}").write_bytes(content[:size])
        refused(f"vgg{suffix}")


def test_pickled_code_never_runs():
    torch.save({"features.0.weight": Trap()}, "new.pth")
    torch.save({"features.0.weight": Trap()}, "old.pth", _use_new_zipfile_serialization=False)
    Path("plain.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("new.pth", "old.pth", "plain.pth"):
        assert "pickled code is never run" in refused(name)


@pytest.mark.parametrize(
    "name", ["none.pth", "folder.pth", "vgg.bin", "vgg", "imagenet.txt", "~/x.pt"]
)
def test_what_is_no_weights_file_is_named(name):
    Path("folder.pth").mkdir()
    for there in ("vgg.bin", "vgg", "imagenet.txt"):
        Path(there).write_bytes(b"weights")
    refused(name)
