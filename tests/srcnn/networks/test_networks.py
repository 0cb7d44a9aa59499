"""What holds for every network of the table."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from srcnn.data.imresize import bicubic_upscale
from srcnn.inference.resolver import SuperResolver, by_tiles
from srcnn.networks import NETWORKS, SRCNN, build
from srcnn.networks.bicubic import Bicubic, surrounded
from srcnn.networks.network import crop
from tests.support.models import network, perturbed
from tests.support.pictures import noise

EVERY = pytest.mark.parametrize("name", NETWORKS)
SCALES = pytest.mark.parametrize("scale", [2, 3, 4, 8])


def pictures(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@SCALES
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (17, 40)])
def test_bicubic_is_imresize(scale, size):
    lr = pictures(1, 1, *size)
    enlarged = Bicubic(scale)(surrounded(lr, *map(slice, (0, 0), size), 2))
    expected = bicubic_upscale(lr[0, 0].double().numpy(), scale)
    np.testing.assert_allclose(enlarged[0, 0], expected, atol=1e-6)


@EVERY
@SCALES
def test_sr_is_scale_times_as_large_and_starts_as_bicubic(name, scale):
    lr = pictures(2, 1, 9, 14)
    sr = network(name, scale)(lr).detach()
    bicubic = np.stack([bicubic_upscale(p[0].numpy(), scale)[None] for p in lr])
    assert sr.shape == bicubic.shape
    assert np.abs(sr.numpy() - bicubic).mean() < 0.02


@EVERY
@SCALES
def test_patches_and_tiles_give_what_the_whole_picture_gives(name, scale):
    model = perturbed(network(name, scale))
    r, start, size = model.reach, model.overlap + 2, 2 * model.overlap + 3  # LR pixels
    lr = pictures(2, 1, 2 * start + size, start + size + r)
    with torch.inference_mode():
        whole = model(lr)
        region = model.region(lr, slice(5, 12), slice(start, lr.shape[3]))
        ends = start - r, start + size + r
        patch = model.patch(lr[..., slice(*ends), slice(*ends)])
        wide = pictures(1, 1, 140 // scale + 3, max(300 // scale, 8 * model.overlap + 2))
        tiles, untiled = by_tiles(model, wide), model(wide)
    part = whole[..., 5 * scale : 12 * scale, start * scale :]
    torch.testing.assert_close(region, part, atol=1e-5, rtol=0)
    inside = whole[..., start * scale : (start + size) * scale, start * scale :]
    inside = inside[..., : size * scale]
    # A deep network's patch has less context at its border than the picture has there.
    border = model.margin or (model.overlap * scale if model.overlap > r else 0)
    torch.testing.assert_close(
        crop(patch, border - model.margin), crop(inside, border), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(tiles, untiled, atol=1e-5, rtol=0)


@EVERY
def test_a_file_gives_the_same_network_again(name, tmp_path):
    model = perturbed(network(name, 3)).to(memory_format=torch.channels_last)
    (tmp_path / "model").write_bytes(SuperResolver(model, "studio").to_bytes())
    again = SuperResolver.load(tmp_path / "model")
    assert (again.model.name, again.scale, again.luma) == (name, 3, "studio")
    assert again.model.settings == model.settings
    lr = noise(0, (9, 11))
    np.testing.assert_array_equal(again(lr), SuperResolver(model, "studio")(lr))


@EVERY
def test_muon_and_centering_know_their_kernels(name):
    model = network(name, 2)
    assert 1 < len(model.hidden_kernels()) == len(model.kernels()) - 1
    (first,) = model.centered_kernels()
    assert first is model.hidden_kernels()[0]
    assert build(name, 2, model.settings | {"residual": False}).centered_kernels() == []


@pytest.mark.parametrize("residual", [True, False])
def test_forward_is_the_papers_three_convolutions_on_the_bicubic(residual):
    model = perturbed(SRCNN(2, (5, 3, 3), (6, 4), residual=residual))
    lr = pictures(2, 1, 12, 15)
    x = torch.from_numpy(np.stack([bicubic_upscale(p[0].numpy(), 2)[None] for p in lr])).float()
    padded = F.pad(x, [4] * 4, mode="replicate")

    features = F.conv2d(padded, model.extract.weight, model.extract.bias).relu()
    features = F.conv2d(features, model.map.weight, model.map.bias).relu()
    expected = F.conv2d(features, model.reconstruct.weight, model.reconstruct.bias)

    torch.testing.assert_close(model(lr), expected + x if residual else expected)


@EVERY
def test_initial_weights_come_from_the_generator(name):
    first, again, other = (network(name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@SCALES
def test_a_projected_srresnet_leaves_flat_areas_flat(scale):
    model, flat = perturbed(network("srresnet", scale)), torch.full((1, 1, 20, 20), 0.3)
    inside = (model.overlap + 1) * scale
    with torch.inference_mode():
        assert crop(model(flat), inside).std() > 1e-3
        model.project()
        sr = crop(model(flat), inside)
    torch.testing.assert_close(sr, sr.mean().expand_as(sr))


@pytest.mark.parametrize(
    ("name", "scale", "settings", "weights", "macs_per_pixel"),
    [
        # Dong et al. 2016 (ECCV), table 1: FSRCNN (56, 12, 4)
        ("fsrcnn", 3, {}, 12_464, 12_464 / 9),
        # Shi et al. 2016: 5-3-3 with 64 and 32 maps, 9 at the end
        ("espcn", 3, {}, 22_624, 22_624 / 9),
        # Dong et al. 2016 (TPAMI), section 4.3.2
        ("srcnn", 3, {}, 57_184, 57_184),
        ("srcnn", 3, {"kernels": [9, 1, 5]}, 8_032, 8_032),
        ("srresnet", 4, {}, 184_680, (288 + 16 * 9 * 32**2 + 9 * 32 * 8 * 16) / 16 + 72),
    ],
)
def test_sizes_are_those_of_the_papers(name, scale, settings, weights, macs_per_pixel):
    model = build(name, scale, settings)
    assert sum(kernel.numel() for kernel in model.kernels()) == weights
    assert model.macs_per_pixel == macs_per_pixel


def test_fsrcnn_is_the_papers_layers():
    model = perturbed(build("fsrcnn", 3, {"d": 6, "s": 4, "m": 2, "residual": False}))
    lr = pictures(1, 1, 30, 30)
    x = lr
    for conv, slope in zip(model.hidden, model.slopes, strict=True):
        padding = conv.kernel_size[0] // 2
        x = F.conv2d(x, conv.weight, conv.bias, padding=padding)
        x = torch.where(x > 0, x, slope.weight[:, None, None] * x)
    tail = model.deconvolution
    x = F.conv_transpose2d(x, tail.weight, tail.bias, stride=3, padding=4, output_padding=2)
    inside = 3 * model.reach  # what zero padding reaches is left out
    torch.testing.assert_close(crop(model(lr), inside), crop(x, inside), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "problem"),
    [
        *(("srcnn", {"kernels": k}, "three odd sizes") for k in ([9, 4, 5], [9, 5], [9, 0, 5])),
        ("srcnn", {"channels": [64]}, "channels is .* must hold 2"),
        ("fsrcnn", {"d": 0}, "d, s is"),
        ("fsrcnn", {"m": -1}, "m is"),
        ("srresnet", {"blocks": 0}, "blocks, features is"),
        ("espcn", {"channels": [64, 0]}, "channels is"),
        ("edsr", {}, "network is 'edsr'; allowed: srcnn, fsrcnn, espcn, srresnet"),
    ],
)
def test_settings_that_cannot_be_are_named(name, settings, problem):
    with pytest.raises(ValueError, match=problem):
        build(name, 2, settings)
