import numpy as np
import pytest
import torch
from skimage import color, data

import srcnn
from srcnn.data.imresize import bicubic_upscale as bicubic
from srcnn.inference import upscaler as upscaling
from srcnn.inference.upscaler import Upscaler
from tests.support.models import resolver

ASTRONAUT = data.astronaut()[60:121, 200:273]


def pictures():
    alpha = np.where(np.arange(73) > 40, 0.0, 1.0) * np.ones((61, 1))
    rgb = ASTRONAUT / 255
    return {
        "gray": rgb[..., 0],
        "rgb": rgb,
        "rgba": np.dstack([rgb, alpha]),
        "gray and alpha": np.dstack([rgb[..., 0], alpha]),
    }


@pytest.mark.parametrize(
    ("kind", "scale", "self_ensemble"),
    [
        ("gray", 3, False),
        ("rgb", 2, False),
        ("gray and alpha", 2, False),
        ("rgba", 3, False),
        ("rgba", 2, True),
    ],
)
def test_tiles_give_what_one_piece_gives(kind, scale, self_ensemble):
    picture = pictures()[kind]
    whole = Upscaler(resolver(scale), self_ensemble)(picture)
    assert whole.shape == (61 * scale, 73 * scale, *picture.shape[2:])
    for tile in (30, 50):
        tiled = Upscaler(resolver(scale), self_ensemble, tile)(picture)
        np.testing.assert_allclose(tiled, whole, atol=1e-6, rtol=0)


def test_bands_of_wide_pictures_are_low_and_give_the_same(monkeypatch):
    picture = ASTRONAUT / 255
    whole = Upscaler(resolver())(picture)
    monkeypatch.setattr(upscaling, "_BAND_PIXELS", 2000)
    bands = list(Upscaler(resolver(), tile=40).bands(picture))
    assert len(bands) == -(-61 // (2000 // (73 * 4)))
    np.testing.assert_allclose(np.concatenate([b.sr for b in bands]), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("residual", [True, False])
def test_gray_is_what_the_network_makes_of_it(residual):
    network = resolver(3, "full", residual)
    gray = ASTRONAUT[..., 1]
    difference = Upscaler(network, tile=64)(gray).astype(int) - network(gray)
    assert np.abs(difference).max() <= 1  # a tie, rounded in float32 there
    assert np.count_nonzero(difference) < 5


def test_colour_is_luma_from_the_network_and_chroma_from_bicubic():
    """Against the conversion to YCbCr and back of scikit-image, which is MATLAB's."""
    network = resolver(2, "studio")
    lr = 0.25 + ASTRONAUT / 510  # nothing is clipped
    ycbcr = bicubic(color.rgb2ycbcr(lr), 2)
    luma = torch.from_numpy(color.rgb2ycbcr(lr)[..., 0] / 255).float()
    with torch.inference_mode():
        ycbcr[..., 0] = network.model(luma[None, None])[0, 0].numpy() * 255
    expected = color.ycbcr2rgb(ycbcr)
    got = Upscaler(network)(lr)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.abs(got - bicubic(lr, 2)).max() > 0.01


@pytest.mark.parametrize("luma", ["full", "studio"])
def test_gray_as_rgb_gives_the_same_gray(luma):
    gray = ASTRONAUT[..., 0]
    upscaler = Upscaler(resolver(2, luma))
    rgb = upscaler(np.dstack([gray] * 3)).astype(int)
    assert np.abs(rgb - upscaler(gray)[..., None]).max() <= 1


def test_16_bits_are_kept():
    gray = np.linspace(20_000, 20_400, 40 * 40).reshape(40, 40)
    got = Upscaler(resolver())(gray.astype(np.uint16))
    expected = Upscaler(resolver())(gray.astype(np.uint16) / 65535)
    assert got.dtype == np.uint16
    np.testing.assert_allclose(got, expected * 65535, atol=0.51)
    assert len(np.unique(got)) > 256


def test_alpha_is_bicubic_and_hidden_colours_do_not_bleed():
    rgba = np.full((30, 30, 4), 200, np.uint8)
    rgba[:, 15:] = 0  # transparent black
    sr = Upscaler(resolver())(rgba)
    np.testing.assert_array_equal(sr[..., 3], bicubic(rgba[..., 3], 2))
    opaque = Upscaler(resolver())(np.full((30, 30, 3), 200, np.uint8))
    np.testing.assert_array_equal(sr[:, :34, :3], opaque[:, :34])


def test_bfloat16_is_a_gray_level_off_at_most():
    model = srcnn.load_model("packaged:x2")
    exact, rounded = (Upscaler(model, bfloat16=b)(ASTRONAUT) for b in (False, True))
    difference = np.abs(exact.astype(int) - rounded)
    assert 0 < difference.max() <= 1


def test_self_ensemble_commutes_with_flips_and_rotations():
    upscaler = Upscaler(resolver(), self_ensemble=True)
    picture = ASTRONAUT / 255
    turned = upscaler(np.rot90(picture)[:, ::-1])
    np.testing.assert_allclose(turned, np.rot90(upscaler(picture))[:, ::-1], atol=1e-6)
    alone = Upscaler(resolver())
    different = np.rot90(alone(np.rot90(picture)), -1) - alone(picture)
    assert np.abs(different).max() > 1e-3


def test_a_blend_is_the_weighted_mean_of_both_networks_in_tiles():
    picture = pictures()["rgba"]
    one, other = resolver(2), resolver(2, residual=False)
    ends = [Upscaler(network)(picture) for network in (one, other)]
    assert np.abs(ends[0] - ends[1]).max() > 0.01
    for share in (0, 0.7, 1):
        blended = Upscaler(one, tile=50, blend=(other, share))(picture)
        inside = (ends[0] > 0) & (ends[0] < 1) & (ends[1] > 0) & (ends[1] < 1)
        mean = (1 - share) * ends[0] + share * ends[1]
        np.testing.assert_allclose(blended[inside], mean[inside], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("other", "share", "message"),
    [
        (resolver(3), 0.5, "scale 2 and 3"),
        (resolver(2, "studio"), 0.5, "luma full and studio"),
        (resolver(2, "full"), 1.5, "share of the blended network is 1.5"),
        (resolver(2, "full"), float("nan"), "share of the blended network is nan"),
    ],
)
def test_what_cannot_be_blended_is_refused(other, share, message):
    with pytest.raises(ValueError, match=message):
        Upscaler(resolver(2, "full"), blend=(other, share))
