"""The functions of `import srcnn`, and the page that shows them."""

import doctest
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

import srcnn
from srcnn.data import imresize
from srcnn.inference import packaged
from srcnn.inference.upscaler import Upscaler
from srcnn.scoring import classical
from tests.support.models import resolver
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "library.md"


def test_the_page_tells_the_truth(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    shutil.copy(packaged.file("packaged:x2"), tmp_path / "models/srcnn.safetensors")
    monkeypatch.chdir(tmp_path)
    flags = doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags)
    assert tried > 15
    assert failed == 0


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_images_give_what_their_arrays_give(mode):
    image = Image.fromarray(data.astronaut()[:30, :40]).convert(mode)
    got = srcnn.upscale(image, resolver())
    assert got.mode == mode
    np.testing.assert_array_equal(np.asarray(got), Upscaler(resolver())(np.asarray(image)))


def test_palettes_become_rgb_and_16_bit_images_stay():
    rgb = Image.fromarray(data.astronaut()[:30, :40])
    assert srcnn.upscale(rgb.quantize(8), resolver()).mode == "RGB"
    deep = Image.fromarray(np.full((8, 8), 40_000, np.uint16))
    got = srcnn.upscale(deep, resolver())
    assert got.mode == "I;16"
    assert abs(int(np.asarray(got)[8, 8]) - 40_000) < 8000
    with pytest.raises(ValueError, match="mode is F"):
        srcnn.upscale(rgb.convert("F"), resolver())


def test_degrade_cuts_to_a_multiple_and_shrinks():
    hr = data.astronaut()[:50, :61]
    expected = imresize.downscale(hr[:48, :60], 4)
    np.testing.assert_array_equal(srcnn.degrade(hr, 4), expected)
    image = srcnn.degrade(Image.fromarray(hr), 4)
    np.testing.assert_array_equal(np.asarray(image), expected)
    with pytest.raises(ValueError, match="smaller than the scale"):
        srcnn.degrade(hr[:3], 4)


def test_degrade_takes_what_upscale_takes():
    deep = np.random.default_rng(0).integers(0, 65536, (12, 16), dtype=np.uint16)
    small = srcnn.degrade(deep, 2)
    assert small.dtype == np.uint16
    exact = imresize.downscale(deep.astype(float), 2)
    np.testing.assert_array_equal(small, np.clip(np.floor(exact + 0.5), 0, 65535))
    image = srcnn.degrade(Image.fromarray(deep), 2)
    assert image.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(image), small)
    for picture in (deep, deep.astype(np.uint8), deep / 65535, np.dstack([deep] * 4)):
        degraded = srcnn.degrade(picture, 2)
        assert srcnn.upscale(degraded, resolver()).shape == picture.shape


BOTH = {
    "upscale": lambda picture: srcnn.upscale(picture, resolver()),
    "degrade": lambda picture: srcnn.degrade(picture, 2),
}
MEASURES = {"psnr": lambda a: srcnn.psnr(GRAY, a), "ssim": lambda a: srcnn.ssim(a, GRAY)}
GRAY = data.camera()[:20, :20]


@pytest.mark.parametrize("function", [*BOTH.values(), *MEASURES.values()], ids=[*BOTH, *MEASURES])
@pytest.mark.parametrize(
    ("picture", "kind"),
    [(torch.from_numpy(GRAY), "torch.Tensor"), (GRAY.tolist(), "list"), ("a.png", "str")],
    ids=["tensor", "list", "name"],
)
def test_what_is_no_picture_is_told_what_one_is(function, picture, kind):
    message = f"the picture is of type {kind}; it must be a Pillow image or a NumPy array"
    with pytest.raises(TypeError, match=message):
        function(picture)


NOT_FINITE = np.zeros((8, 8, 3), np.float32)
NOT_FINITE[3, 5, 1:] = np.nan, np.inf


@pytest.mark.parametrize("function", BOTH.values(), ids=BOTH)
@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.zeros(8, np.uint8), r"has shape .*; it must be \(H, W\)"),
        (np.zeros((8, 8, 5), np.uint8), r"has shape .*; it must be \(H, W\)"),
        (np.zeros((0, 8), np.uint8), r"has shape .*; it must be \(H, W\)"),
        (np.zeros((8, 8), np.int32), "it must be uint8, uint16 or floats"),
        (np.zeros((8, 8), bool), "it must be uint8, uint16 or floats"),
        (NOT_FINITE, r"is nan at \(3, 5, 1\)"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(function, picture, reason):
    with pytest.raises(ValueError, match=f"the picture {reason}|the picture is .*{reason}"):
        function(picture)


@pytest.mark.parametrize("scale", [0, 1.5, "2", None])
def test_another_scale_or_model_is_refused(scale):
    with pytest.raises(ValueError, match="it must be a whole number of at least 1"):
        srcnn.degrade(GRAY, scale)
    with pytest.raises(TypeError, match=r"the model is of type .*srcnn\.load_model"):
        srcnn.upscale(GRAY, scale)


def test_measures_take_arrays_and_images():
    a, b = data.camera()[:40, :40], data.camera()[1:41, :40]
    images = Image.fromarray(a), Image.fromarray(b)
    assert srcnn.psnr(*images) == srcnn.psnr(a, b) == classical.psnr(a, b)
    assert srcnn.ssim(*images) == srcnn.ssim(a, b) == classical.ssim(a, b)
