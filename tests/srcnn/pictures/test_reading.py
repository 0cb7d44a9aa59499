"""What pictures of every kind hold: as 8 bits, as luma, and with all their samples."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from srcnn.data.color import LUMA_RANGES, luma
from srcnn.pictures import images
from srcnn.pictures.images import UnreadableImage, decode, decode_luma
from srcnn.pictures.reader import read
from tests.srcnn.pictures.encoded import RNG, png, smooth, tiff
from tests.support import optional
from tests.support.pictures import PNG_SIGNATURE, encoded, png_head

GRAY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def over_white(samples: np.ndarray, maximum: int) -> np.ndarray:
    """0..255 in floating point: the reference. The last of 2 or 4 channels is alpha."""
    if samples.shape[2] in (2, 4):
        share = samples[..., -1:] / maximum
        return (255 * (samples[..., :-1] / maximum * share + 1 - share)).squeeze()
    return (samples * (255 / maximum)).squeeze()


def assert_rounds_to(decoded: np.ndarray, reference: np.ndarray) -> None:
    assert decoded.dtype == np.uint8
    assert decoded.shape == reference.shape
    assert np.abs(decoded - reference).max() <= 0.502  # blending rounds once more, to 16 bits


def samples16(*shape: int) -> np.ndarray:
    return RNG.integers(0, 65536, shape, dtype=np.uint16)


def claiming(width: int, height: int) -> bytes:
    """A PNG that says that it is of this size."""
    return PNG_SIGNATURE + png_head(width, height) + encoded(GRAY)[33:]


LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("kind", [*LOSSLESS, "BMP"])
def test_lossless_pictures_come_back_exactly(kind):
    np.testing.assert_array_equal(decode(encoded(RGB, kind, **LOSSLESS.get(kind, {}))), RGB)
    if kind != "WEBP":  # which knows no gray
        np.testing.assert_array_equal(decode(encoded(GRAY, kind)), GRAY)
        bits = GRAY > 127
        np.testing.assert_array_equal(decode(encoded(Image.fromarray(bits), kind)), bits * 255)


def test_jpeg_is_what_pillow_decodes():
    data = encoded(RGB, "JPEG")
    np.testing.assert_array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data))))
    assert decode(encoded(GRAY, "JPEG")).shape == (20, 30)
    for luma_range in LUMA_RANGES:
        expected = luma(decode(data), luma_range)
        np.testing.assert_array_equal(decode_luma(data, luma_range), expected)


def test_heic_is_what_its_package_decodes_and_named_without_it(monkeypatch):
    optional.package("pillow_heif", "requirements-heic.txt")
    data = encoded(RGB, "HEIF", quality=90)
    np.testing.assert_array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data))))
    monkeypatch.setattr(images, "_FORMATS", ["PNG"])
    with pytest.raises(UnreadableImage, match="HEIC needs the package pillow-heif"):
        decode(data)


PLAIN_TIFF = {
    1: {"photometric": "minisblack"},
    3: {"photometric": "rgb"},
    4: {"photometric": "rgb", "extrasamples": ["unassalpha"]},
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_samples_are_scaled_and_rounded_and_alpha_is_composited_over_white(channels, bits):
    top = 2**bits - 1
    samples = RNG.integers(0, top, (20, 30, channels), f"uint{bits}", endpoint=True)
    samples[0], samples[1] = 0, top
    files = [png(bits, samples)]
    if kind := PLAIN_TIFF.get(channels):
        for options in ({}, {"compression": "zlib", "predictor": True}, {"byteorder": ">"}):
            files.append(tiff(samples.squeeze(), **kind, **options))
    for data in files:
        assert_rounds_to(decode(data), over_white(samples, top))
        np.testing.assert_array_equal(read(data).samples, samples)


def test_16_bits_are_read_into_the_memory_of_the_result():
    """Large ones are of 100 megapixels."""
    data = png(16, samples16(2000, 300, 3))
    tracemalloc.start()
    samples = read(data).samples
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * samples.nbytes


def test_16_bit_tiff_of_photo_editors():
    """LZW, which nothing but Pillow's libtiff reads; zero as white; CMYK."""
    deep = samples16(20, 30)
    lzw = encoded(Image.fromarray(deep), "TIFF", compression="tiff_lzw")
    np.testing.assert_array_equal(read(lzw).samples[..., 0], deep)
    inverted = decode(tiff(deep, photometric="miniswhite"))
    assert_rounds_to(inverted, (65535 - deep.astype(float)) * (255 / 65535))
    cmyk = np.zeros((4, 4, 4), np.uint16)
    cmyk[..., 3] = 65535 // 2
    decoded = decode(tiff(cmyk, photometric="separated"))
    assert decoded.shape == (4, 4, 3)
    assert np.abs(decoded.astype(int) - 128).max() <= 1


@pytest.mark.parametrize(
    ("bits", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)]
)
def test_the_transparent_colour_is_found_in_every_depth(bits, channels):
    """It stands in the file's own scale."""
    top = 2**bits - 1
    levels = np.array([[0, 1, top // 2, top]])
    values = np.stack([levels] * channels, axis=2)
    data = png(bits, values, (b"tRNS", struct.pack(f">{channels}H", *[1] * channels)))

    samples = read(data).samples
    np.testing.assert_array_equal(samples[..., -1] == 0, levels == 1)
    np.testing.assert_array_equal(samples[..., 0], levels * (np.iinfo(samples.dtype).max // top))
    white = decode(data).reshape(1, 4, -1) == 255
    np.testing.assert_array_equal(white.all(axis=2), (levels == 1) | (levels == top))


def test_palettes_become_rgb():
    palette = Image.fromarray(smooth(3, np.uint8)).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decode(encoded(palette)), expected)
    keyed = encoded(palette, transparency=3)
    hidden = np.asarray(palette) == 3
    np.testing.assert_array_equal(read(keyed).samples[..., :3], expected)
    np.testing.assert_array_equal(read(keyed).samples[..., 3] == 0, hidden)
    np.testing.assert_array_equal(decode(keyed), np.where(hidden[..., None], 255, expected))


def test_cmyk_becomes_rgb_without_its_profile():
    cmyk = Image.fromarray(smooth(4, np.uint8), "CMYK")
    data = encoded(cmyk, "TIFF", icc_profile=b"a profile of CMYK")
    np.testing.assert_array_equal(decode(data), np.asarray(cmyk.convert("RGB")))
    assert read(data).icc is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(orientation):
    exif = Image.Exif()
    exif[Base.Orientation] = orientation

    def upright(stored):
        image = Image.open(io.BytesIO(encoded(stored, exif=exif)))
        return np.asarray(ImageOps.exif_transpose(image))

    tag = [(Base.Orientation, "H", 1, orientation, False)]
    deep = RGB.astype(np.uint16) * 257
    for data, stored in (
        (encoded(RGB, exif=exif), RGB),
        (encoded(RGB, "TIFF", exif=exif), RGB),
        (encoded(RGB, "JPEG", exif=exif), decode(encoded(RGB, "JPEG"))),
        (encoded(deep[..., 0], exif=exif), RGB[..., 0]),
        (tiff(deep, photometric="rgb", extratags=tag), RGB),
    ):
        np.testing.assert_array_equal(decode(data), upright(stored))


@pytest.mark.parametrize("kind", LOSSLESS)
def test_of_several_frames_the_first_is_decoded_and_none_enlarged(kind):
    second = Image.fromarray(255 - RGB)
    data = encoded(RGB, kind, save_all=True, append_images=[second], **LOSSLESS[kind])
    np.testing.assert_array_equal(decode(data), RGB)
    with pytest.raises(UnreadableImage, match="2 frames or pages"):
        read(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        *((tiff(GRAY.astype(kind)), "no known range") for kind in ("float32", "uint32", "int16")),
        (tiff(RGB.astype("float32"), photometric="rgb"), "of a kind that Pillow cannot read"),
        (
            tiff(samples16(3, 20, 30), photometric="rgb", planarconfig="separate"),
            "separate planes",  # which Pillow reads as noise
        ),
        (b"GIF89a", "not a PNG"),
        (encoded(RGB)[:900] + b"damage" + encoded(RGB)[906:], "cannot be decoded"),
        (claiming(128_000, 1001), "more than 128,000,000 pixels"),
        (claiming(128_000, 1000), "truncated"),  # Pillow's own limit is 89 million
    ],
)
def test_what_cannot_be_read_right_is_refused(data, reason):
    with pytest.raises(UnreadableImage, match=reason):
        decode(data)
    with pytest.raises(UnreadableImage, match=reason):
        read(data)


def test_a_reader_may_set_a_lower_limit_of_pixels():
    with pytest.raises(UnreadableImage, match="30x20 is more than 500 pixels"):
        read(encoded(RGB), max_pixels=500)
