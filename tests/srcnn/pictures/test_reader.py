"""What is read of a file beside its samples; and that both readers see the same."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcnn.pictures import images
from srcnn.pictures.deep import UnreadableImage
from srcnn.pictures.reader import is_product, read

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RNG = np.random.default_rng(0)


def smooth(channels, dtype):
    """Rows of every kind: the PNG filters all have to be chosen somewhere."""
    y, x = np.mgrid[:150, :97]
    planes = [np.sin(x / 9 + c) * 90 + y * 0.6 for c in range(channels)]
    samples = np.stack(planes, axis=2) - np.min(planes)
    samples[40:60] = RNG.uniform(0, 200, samples[40:60].shape)
    return (samples * (256 if dtype == np.uint16 else 1)).astype(dtype)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(bits, values, *chunks):
    """A PNG of gray (H, W) or RGB (H, W, 3) values, with each (kind, content) of `chunks`."""
    colour = 0 if values.ndim == 2 else 2
    head = struct.pack(">IIBBBBB", values.shape[1], len(values), bits, colour, 0, 0, 0)
    single = values.reshape(len(values), -1, 1) >> np.arange(bits)[::-1] & 1
    rows = np.packbits(single.reshape(len(values), -1).astype(np.uint8), axis=1)
    content = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    parts = [(b"IHDR", head), *chunks, (b"IDAT", content), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in parts
    )


@pytest.mark.parametrize(
    ("bits", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)]
)
def test_the_transparent_colour_is_found_in_every_depth(bits, channels):
    """It stands in the file's own scale."""
    top = 2**bits - 1
    levels = np.array([[0, 1, top // 2, top]])
    values = levels if channels == 1 else np.stack([levels] * 3, axis=2)
    key = struct.pack(f">{channels}H", *[1] * channels)
    data = png(bits, values, (b"tRNS", key))

    samples = read(data).samples
    np.testing.assert_array_equal(samples[..., -1] == 0, levels == 1)
    np.testing.assert_array_equal(samples[..., 0], levels * (np.iinfo(samples.dtype).max // top))
    white = images.decode(data).reshape(1, 4, -1) == 255
    np.testing.assert_array_equal(white.all(axis=2), (levels == 1) | (levels == top))


def test_one_limit_of_pixels_holds_wherever_pictures_are_read():
    """Pillow's own, of 89 million, refused as data what was enlarged."""
    one = png(8, np.zeros((1, 1), int))

    def claiming(height):
        head = b"IHDR" + struct.pack(">II", 128_000, height) + one[24:29]
        return one[:12] + head + struct.pack(">I", zlib.crc32(head)) + one[33:]

    for reading in (images.decode, read):
        with pytest.raises(UnreadableImage, match="more than 128,000,000 pixels"):
            reading(claiming(1001))
        with pytest.raises(UnreadableImage, match="truncated"):
            reading(claiming(1000))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
def test_what_others_wrote_is_no_product(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[305] = "another software"
    Image.new("RGB", (9, 9)).save(path, exif=exif)
    assert not is_product(path)
    path.write_text("no picture")
    assert not is_product(path)
    assert not is_product(Path("nowhere.png"))


def test_palettes_bits_and_colour_keys():
    rgb = smooth(3, np.uint8)
    palette = Image.fromarray(rgb).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(read(encoded(palette)).samples, expected)
    with_alpha = read(encoded(palette, transparency=3)).samples
    np.testing.assert_array_equal(with_alpha[..., :3], expected)
    np.testing.assert_array_equal(with_alpha[..., 3] == 0, np.asarray(palette) == 3)
    assert read(encoded(Image.fromarray(rgb[..., 0] > 99))).samples.shape == (150, 97, 1)
    keyed = read(encoded(Image.fromarray(rgb), transparency=tuple(map(int, rgb[0, 0])))).samples
    assert keyed[0, 0].tolist() == [*rgb[0, 0], 0]


def test_cmyk_becomes_rgb_without_its_profile():
    cmyk = Image.fromarray(smooth(4, np.uint8), "CMYK")
    picture = read(encoded(cmyk, "TIFF", icc_profile=b"a profile of CMYK"))
    np.testing.assert_array_equal(picture.samples, np.asarray(cmyk.convert("RGB")))
    assert picture.icc is None


def test_several_pages_are_refused():
    image = Image.fromarray(smooth(3, np.uint8))
    with pytest.raises(UnreadableImage, match="2 frames or pages"):
        read(encoded(image, "TIFF", save_all=True, append_images=[image]))


def test_more_pixels_than_allowed_are_refused():
    with pytest.raises(UnreadableImage, match=r"97x150 is more than 1,000 pixels"):
        read(encoded(Image.fromarray(smooth(3, np.uint8))), max_pixels=1000)
