"""Perceptual measures: known orderings, and values computed anew from their definitions."""

import socket
from unittest.mock import Mock

import numpy as np
import pytest
import skimage
import torch
from scipy.ndimage import gaussian_filter
from torchvision.models import alexnet

from srcnn.perceptual.loss import VGG19Features
from srcnn.perceptual.pretrained import UnusableWeights, WeightsUnavailable
from srcnn.scoring.learned import LPIPS, SIFID, VGGDistance

ALEXNET = "alexnet-owt-7be5be79.pth"
PICTURE = skimage.data.camera()[64:112, 200:248]


def blurred(picture, sigma):
    return np.rint(gaussian_filter(picture.astype(float), sigma)).astype(np.uint8)


def noisy(sigma):
    noise = np.random.default_rng(0).normal(0, sigma, PICTURE.shape)
    return np.clip(np.rint(PICTURE + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def alexnet_cache(tmp_path_factory):
    """A torch home with an untrained AlexNet in the place of torchvision's trained one."""
    home = tmp_path_factory.mktemp("home")
    cache = home / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    with torch.device("meta"):
        tensors = alexnet().state_dict()
    generator = torch.Generator().manual_seed(4)
    state = {
        key: torch.randn(tensor.shape, generator=generator) * 0.05
        for key, tensor in tensors.items()
        if key.startswith("features")  # the others are large and not used
    }
    torch.save(state, cache / ALEXNET)
    return home


@pytest.fixture(scope="module")
def lpips(alexnet_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(alexnet_cache))
        return LPIPS(download=False)


@pytest.fixture(scope="module")
def vgg():
    return VGGDistance()


@pytest.fixture(params=["lpips", "vgg"])
def measure(request):
    return request.getfixturevalue(request.param)


def test_vgg19_looks_at_hr_once_for_sr_and_bicubic(vgg):
    seen = []
    hook = vgg._network.register_forward_hook(lambda *_: seen.append(1))
    near, far = (vgg(blurred(PICTURE, sigma), PICTURE) for sigma in (0.6, 1.2))
    assert 0 < near < far
    assert len(seen) == 3
    assert vgg(PICTURE, PICTURE[::-1]) > 0  # another HR
    assert vgg(blurred(PICTURE, 0.6), PICTURE) == near
    hook.remove()


def test_sifid_compares_what_there_is_not_where_it_lies():
    sifid = SIFID()
    hr = np.pad(PICTURE, (0, len(PICTURE)), "symmetric")  # whose opposite borders fit
    blurs = [sifid(blurred(hr, sigma), hr) for sigma in (0.6, 1.2, 2.5)]
    assert blurs == sorted(blurs)
    assert sifid(hr, hr) == pytest.approx(0, abs=1e-3 * blurs[0])
    assert sifid(np.roll(hr, 24, axis=(0, 1)), hr) < blurs[1] / 4
    assert sifid(hr, PICTURE) == pytest.approx(SIFID()(hr, PICTURE))  # another HR than before
    studio = [np.rint(16 + each / 255 * 219).astype(np.uint8) for each in (blurred(hr, 1.2), hr)]
    assert sifid(*studio, "studio") == pytest.approx(blurs[1], rel=0.05)


def test_lpips_knows_what_is_worse(lpips):
    blurs = [lpips(PICTURE, blurred(PICTURE, sigma)) for sigma in (0.6, 1.2, 2.5)]
    noises = [lpips(PICTURE, noisy(sigma)) for sigma in (3, 10, 30)]
    assert lpips(PICTURE, PICTURE) == 0
    assert 0 < blurs[0] < blurs[1] < blurs[2]
    assert 0 < noises[0] < noises[1] < noises[2]


def test_vgg_distance_is_its_definition(vgg):
    a, b = PICTURE[:33, :40], blurred(PICTURE, 2)[:33, :40]
    network = VGG19Features(["conv5_4"])  # torchvision's, see test_loss.py
    of_a, of_b = (network(torch.from_numpy(x / 255).float()[None, None])["conv5_4"] for x in (a, b))
    assert vgg(a, b) == pytest.approx(((of_a - of_b) ** 2).mean().item(), rel=1e-4)


def test_studio_luma_is_seen_as_the_gray_it_was_made_of(measure):
    # 255 / 219 of a gray level is one of luma: these levels are made without rounding.
    steps = np.random.default_rng(0).integers(0, 4, (48, 48))
    gray, other = (73 * each * 255 / 219 for each in (steps, steps[::-1]))
    assert np.array_equal(gray, gray.round())
    studio = [(16 + 219 * each / 255).astype(np.uint8) for each in (gray, other)]
    expected = measure(*(each.astype(np.uint8) for each in (gray, other)))
    assert measure(*studio, "studio") == pytest.approx(expected, rel=1e-4)
    assert measure(*studio, "full") != pytest.approx(expected, rel=1e-3)
    beyond, black = (np.where(PICTURE < 60, level, PICTURE) for level in (3, 16))
    assert measure(beyond.astype(np.uint8), black.astype(np.uint8), "studio") == 0


def test_the_smallest_pictures_have_a_distance(measure):
    small = (slice(measure.smallest),) * 2
    assert measure(PICTURE[small], noisy(9)[small]) > 0


def test_alexnet_from_a_file(alexnet_cache, lpips, tmp_path, monkeypatch):
    file = alexnet_cache / "hub/checkpoints" / ALEXNET
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    before = torch.get_rng_state()
    ours = LPIPS(download=False, file=file)
    assert torch.equal(torch.get_rng_state(), before)
    assert ours(PICTURE, noisy(9)) == lpips(PICTURE, noisy(9))
    assert ours.weights.startswith(f"{ALEXNET} (sha256 ")
    assert lpips.weights is None
    with pytest.raises(WeightsUnavailable, match="not in torch's cache"):
        LPIPS(download=False)
    refused = Mock(side_effect=ConnectionRefusedError)
    monkeypatch.setattr(socket, "create_connection", refused)
    with pytest.raises(WeightsUnavailable, match="ConnectionRefused"):
        LPIPS()
    (tmp_path / "hub/checkpoints/alexnet-owt-4df8aa71.pth").touch()  # torchvision's first
    with pytest.raises(WeightsUnavailable, match=r"not in torch's cache$"):
        LPIPS(download=False)
    state = torch.load(file)
    for other in ({}, state | {"features.0.weight": torch.zeros(1)}):
        torch.save(other, tmp_path / "other.pth")
        with pytest.raises(UnusableWeights, match="is not torchvision's AlexNet") as caught:
            LPIPS(file=tmp_path / "other.pth")
        assert len(str(caught.value).splitlines()) == 1
