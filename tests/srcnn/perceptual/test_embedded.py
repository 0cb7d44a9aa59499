"""The VGG19 inside the package: the same bits everywhere, or one clear error."""

import hashlib
import sys

import pytest
import torch

from srcnn.perceptual import embedded, vgg19
from srcnn.perceptual.loss import VGG19Features
from srcnn.perceptual.pretrained import UnusableWeights
from tools import embed_vgg19

DECODED = "720fac9275c1f094f8b275ae7e73e152d7285dad874a3e2219f73515631c2e55"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Writes a file of weights and puts it in the place of the package's."""

    def write(weights):
        embed_vgg19.write(weights, tmp_path / "vgg19.safetensors")
        monkeypatch.setattr(embedded, "FILE", tmp_path / "vgg19.safetensors")
        return embedded.FILE

    return write


def some_weights(outputs=6, inputs=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    kernel = torch.randn(outputs, inputs, 3, 3, generator=generator) / 10
    return vgg19.Weights(kernel, torch.randn(outputs, generator=generator))


def on_a_grid(weights, step=0.0123):
    """All taps but the bottom right one at multiples of a step."""
    kernel = (weights.kernel / step).round() * step
    kernel[..., 2, 2] = weights.kernel[..., 2, 2]
    return weights._replace(kernel=kernel)


def assert_rounded(found, kernel):
    """Off by no more than 1/1022 of the largest of these taps of the output channel."""
    largest = kernel.abs().flatten(1).amax(1).view(-1, *[1] * (kernel.ndim - 1))
    assert ((found - kernel).abs() <= largest / 1022 * 1.0001).all()
    assert not torch.equal(found, kernel)


def test_the_weights_are_these_bits_on_every_machine():
    weights = vgg19.load(vgg19.CONVOLUTIONS, "embedded")
    total = hashlib.sha256()
    for name, (kernel, bias) in weights.items():
        shapes = vgg19.CONVOLUTIONS[name].shapes
        assert (tuple(kernel.shape), tuple(bias.shape)) == (shapes["weight"], shapes["bias"])
        assert kernel.dtype == bias.dtype == torch.float32
        total.update(embedded.digest(kernel.numpy(), bias.numpy()))
    assert total.hexdigest() == DECODED


def test_it_is_what_is_loaded_unless_said_otherwise_and_torchvision_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    kernel = vgg19.load(["conv1_1"], "embedded")["conv1_1"].kernel
    assert torch.equal(VGG19Features(["conv1_1"]).conv1_1_kernel, kernel)


def test_shallow_kernels_are_rounded_to_float16_and_biases_are_exact(make):
    weights = some_weights()
    make({"conv3_1": weights})
    kernel, bias = vgg19.load(["conv3_1"], "embedded")["conv3_1"]
    assert torch.equal(kernel, weights.kernel.half().float())
    assert torch.equal(bias, weights.bias)


@pytest.mark.parametrize("name", ["conv4_1", "conv5_4"])
def test_taps_on_a_grid_are_exact_and_the_last_one_is_rounded(make, name):
    weights = on_a_grid(some_weights())
    make({name: weights})
    kernel, bias = vgg19.load([name], "embedded")[name]
    assert torch.equal(kernel.flatten(2)[..., :8], weights.kernel.flatten(2)[..., :8])
    assert_rounded(kernel[..., 2, 2], weights.kernel[..., 2, 2])
    assert torch.equal(bias, weights.bias)


def test_without_a_grid_all_taps_are_rounded(make):
    weights = some_weights(16, 8)
    make({"conv4_2": weights})
    assert_rounded(vgg19.load(["conv4_2"], "embedded")["conv4_2"].kernel, weights.kernel)


def test_the_same_weights_give_the_same_file(make):
    weights = {"conv1_1": some_weights(), "conv4_1": on_a_grid(some_weights(seed=1))}
    first = make(weights).read_bytes()
    assert make(dict(reversed(weights.items()))).read_bytes() == first


def test_every_damaged_byte_is_found(make):
    weights = {"conv1_1": some_weights(3, 2), "conv4_1": on_a_grid(some_weights(3, 2))}
    file = make(weights)
    content = file.read_bytes()
    whole = vgg19.load(weights, "embedded")
    for position in range(0, len(content), 3):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        file.write_bytes(changed)
        try:
            found = vgg19.load(weights, "embedded")
        except UnusableWeights as error:
            assert str(file) in str(error)
            assert "\n" not in str(error)
        else:
            for name, tensors in whole.items():
                assert all(map(torch.equal, tensors, found[name])), position


def test_a_missing_file_and_a_missing_layer_are_named(make):
    file = make({"conv1_1": some_weights()})
    with pytest.raises(UnusableWeights, match=r"vgg19\.safetensors.*has no layer 2"):
        vgg19.load(["conv1_1", "conv1_2"], "embedded")
    file.unlink()
    with pytest.raises(UnusableWeights, match=r"vgg19\.safetensors.*missing"):
        vgg19.load(["conv1_1"], "embedded")
