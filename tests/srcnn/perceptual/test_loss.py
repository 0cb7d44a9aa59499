"""The perceptual loss: the right features, gradients where they belong, and nowhere else."""

from unittest.mock import Mock

import pytest
import torch
from torch import nn

from srcnn.perceptual.loss import LAYERS, PerceptualLoss, VGG19Features, blocks_max


@pytest.fixture(scope="module")
def torchvision_vgg(tmp_path_factory):
    """torchvision's convolutions with random biases too, and a file of their weights."""
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(11)
    layers = make_layers(cfgs["E"])
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(layers.state_dict(), path)
    return layers, path


def pictures(batch=2, height=16, width=32, seed=0):
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_every_layer_is_torchvisions(torchvision_vgg):
    layers, path = torchvision_vgg
    gray = 1.5 * pictures(1, 32, 48) - 0.25  # not clamped
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    x, expected = (gray - mean) / std, []
    for layer in layers:
        x = layer(x.clone())  # torchvision's ReLUs work in place
        if not isinstance(layer, nn.MaxPool2d):
            expected.append(x)
    activations = VGG19Features(LAYERS, path)(gray)
    assert tuple(activations) == LAYERS
    for found, wanted in zip(activations.values(), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "convolutions"), [(["conv1_1"], 1), (["relu3_4", "conv1_2"], 8)]
)
def test_no_deeper_than_the_deepest_layer(monkeypatch, layers, convolutions):
    runs = Mock(wraps=nn.functional.conv2d)
    monkeypatch.setattr(nn.functional, "conv2d", runs)
    features = VGG19Features(layers, "random")
    features(pictures(1))
    kernels = [buffer for buffer in features.buffers() if buffer.shape[-1] == 3]
    assert len(kernels) == runs.call_count == convolutions


def test_gradient_reaches_sr_and_nothing_else():
    loss = PerceptualLoss({"relu2_2": 1.0, "conv3_1": 0.5}, "random")
    sr, hr = pictures(seed=1).requires_grad_(), pictures(seed=2).requires_grad_()
    before = [buffer.clone() for buffer in loss.buffers()]
    loss(sr, hr).backward()
    assert sr.grad.isfinite().all()
    assert (sr.grad != 0).float().mean() > 0.99
    assert hr.grad is None
    assert not list(loss.parameters())
    assert not loss.state_dict()
    assert not any(buffer.requires_grad for buffer in loss.buffers())
    assert all(torch.equal(a, b) for a, b in zip(before, loss.buffers(), strict=True))


def test_building_draws_no_global_random_numbers(torchvision_vgg):
    before = torch.get_rng_state()
    for weights in ("random", torchvision_vgg[1]):
        PerceptualLoss({"conv1_2": 1.0}, weights)
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("distance", "scale"), [("mse", 1 / 12.75), ("l1", 1.0)])
def test_value_is_the_weighted_sum_of_scaled_distances(distance, scale):
    weights = {"relu1_2": 0.5, "conv2_2": 2.0}
    sr, hr = pictures(seed=1), pictures(seed=2)
    features = VGG19Features(weights, "random")
    a, b = features(sr), features(hr)
    expected = 0.0
    for layer, weight in weights.items():
        difference = (scale * a[layer] - scale * b[layer]).double()
        each = difference**2 if distance == "mse" else difference.abs()
        expected += weight * each.mean().item()
    loss = PerceptualLoss(weights, "random", distance, scale)
    assert loss(sr, hr).shape == ()
    assert loss(sr, hr).item() == pytest.approx(expected, rel=1e-5)


def test_bfloat16_features_give_nearly_the_same_loss_and_gradient():
    sr, hr = pictures(seed=1).requires_grad_(), pictures(seed=2)
    values, gradients = [], []
    for dtype in (torch.float32, torch.bfloat16):
        loss = PerceptualLoss({"conv3_4": 1.0}, "random", dtype=dtype)(sr, hr)
        assert loss.dtype == torch.float32
        values.append(loss.item())
        gradients.append(torch.autograd.grad(loss, sr)[0].flatten())
    assert values[0] != values[1]
    assert values[1] == pytest.approx(values[0], rel=0.02)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.9


@pytest.mark.parametrize("side", [(8, 12), (7, 9), (2, 3)])
def test_maximum_of_blocks_is_max_pooling_bit_for_bit_also_among_equals(side):
    generator = torch.Generator().manual_seed(3)
    few_levels = torch.randint(-2, 3, (4, 5, *side), generator=generator).float()
    weights = torch.randn(4, 5, side[0] // 2, side[1] // 2, generator=generator)
    pooled = []
    for pool in (lambda x: nn.functional.max_pool2d(x, 2), blocks_max):
        x = few_levels.clone().requires_grad_()
        y = pool(x)
        (y * weights).sum().backward()
        pooled.append((y.detach(), x.grad))
    for expected, found in zip(*pooled, strict=True):
        assert torch.equal(expected, found)


def test_a_layer_that_vgg19_does_not_have_is_named():
    with pytest.raises(ValueError, match="no layer conv3_5; it has conv1_1, relu1_1"):
        PerceptualLoss({"conv3_5": 1.0})
