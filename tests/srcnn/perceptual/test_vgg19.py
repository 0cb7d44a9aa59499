"""VGG19's weights: random ones, and the right ones out of a file."""

import math
import socket
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import save_file

from srcnn.perceptual import vgg19
from srcnn.perceptual.pretrained import UnusableWeights, WeightsUnavailable

SHALLOW = ("conv1_1", "conv1_2", "conv2_1")
ALL = tuple(vgg19.CONVOLUTIONS)


@pytest.mark.parametrize(
    ("prefix", "file", "save"),
    [("features.", "vgg19.pth", torch.save), ("", "vgg19.safetensors", save_file)],
)
def test_loads_the_convolutions_of_a_file_as_float32(tmp_path, prefix, file, save):
    generator = torch.Generator().manual_seed(5)
    state = {}
    for index, (outputs, inputs) in {0: (64, 3), 2: (64, 64), 5: (128, 64)}.items():
        for part, shape in (("weight", (outputs, inputs, 3, 3)), ("bias", (outputs,))):
            state[f"{prefix}{index}.{part}"] = torch.randn(shape, generator=generator).half()
    if prefix:
        state["classifier.0.weight"] = torch.zeros(2, 2)  # a whole VGG19 has one: passed over
    save(state, tmp_path / file)
    loaded = vgg19.load(SHALLOW, tmp_path / file)
    for name, index in zip(SHALLOW, (0, 2, 5), strict=True):
        for part, tensor in (("weight", loaded[name].kernel), ("bias", loaded[name].bias)):
            assert tensor.dtype == torch.float32
            assert torch.equal(tensor, state[f"{prefix}{index}.{part}"].float())


@pytest.mark.parametrize("configuration", ["A", "B", "D"])
def test_shallower_vggs_are_refused(tmp_path, configuration):
    from torchvision.models.vgg import cfgs, make_layers

    with torch.device("meta"):
        state = make_layers(cfgs[configuration]).state_dict()
    state = {key: torch.zeros(1).expand(tensor.shape) for key, tensor in state.items()}
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(UnusableWeights, match="is not a VGG19"):
        vgg19.load(SHALLOW, tmp_path / "vgg.pth")


def test_random_weights_follow_he_and_are_the_same_however_deep():
    drawn = vgg19.load(ALL, "random")
    for name, (kernel, bias) in drawn.items():
        expected = math.sqrt(2 / (kernel.shape[1] * 9))
        assert kernel.std().item() == pytest.approx(expected, rel=0.08), name
        assert not bias.any()
    again = vgg19.load(SHALLOW, "random")
    assert all(torch.equal(drawn[name].kernel, again[name].kernel) for name in SHALLOW)


def test_imagenet_offline_names_cause_and_three_ways_on(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", Mock(side_effect=OSError("refused")))
    with pytest.raises(WeightsUnavailable) as caught:
        vgg19.load(SHALLOW, "imagenet")
    message = str(caught.value)
    for part in ("vgg19-dcbb9e9d.pth", "refused", "embedded", ".safetensors", "connect"):
        assert part in message
