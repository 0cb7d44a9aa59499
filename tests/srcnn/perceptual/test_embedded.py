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


def test_the_weights_are_these_bits_on_every_machine_and_the_default(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # which is not needed
    weights = vgg19.load(vgg19.CONVOLUTIONS, "embedded")
    total = hashlib.sha256()
    for name, (kernel, bias) in weights.items():
        shapes = vgg19.CONVOLUTIONS[name].shapes
        assert (tuple(kernel.shape), tuple(bias.shape)) == (shapes["weight"], shapes["bias"])
        assert kernel.dtype == bias.dtype == torch.float32
        total.update(embedded.digest(kernel.numpy(), bias.numpy()))
    assert total.hexdigest() == DECODED
    assert torch.equal(VGG19Features(["conv1_1"]).conv1_1_kernel, weights["conv1_1"].kernel)


def test_a_file_keeps_what_its_format_says_and_is_the_same_each_time(make):
    given = {
        "conv3_1": some_weights(),
        "conv4_1": on_a_grid(some_weights(seed=1)),
        "conv5_4": some_weights(16, 8),  # of more than 256 values
    }
    file = make(given).read_bytes()
    found = vgg19.load(given, "embedded")
    kernels = {name: (found[name].kernel, given[name].kernel) for name in given}
    assert all(torch.equal(found[name].bias, given[name].bias) for name in given)
    shallow, full = kernels["conv3_1"]
    assert torch.equal(shallow, full.half().float())
    gridded, full = kernels["conv4_1"]
    assert torch.equal(gridded.flatten(2)[..., :8], full.flatten(2)[..., :8])
    assert_rounded(gridded[..., 2, 2], full[..., 2, 2])
    assert_rounded(*kernels["conv5_4"])
    assert make(dict(reversed(given.items()))).read_bytes() == file


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
