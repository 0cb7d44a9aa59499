import io
import struct
import zlib
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
from PIL import Image

from srcnn.color import LUMA_RANGES, luma
from srcnn.pictures import images
from srcnn.pictures.images import UnreadableImage

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def decode(data: bytes) -> np.ndarray:
    """The picture; its luma decoded at once must be the same, for every kind tested here."""
    picture = images.decode(data)
    for luma_range in LUMA_RANGES:
        at_once = images.decode_luma(data, luma_range)
        assert at_once.dtype == np.uint8
        np.testing.assert_array_equal(at_once, luma(picture, luma_range))
    return picture


def encode(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encode_tiff(samples: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def encode_png16(samples: np.ndarray, transparent: bytes = b"") -> bytes:
    """A 16-bit PNG of 1 to 4 channels, by the PNG specification: Pillow writes no 16-bit colour."""
    height, width, channels = samples.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)),
            chunk(b"tRNS", transparent) if transparent else b"",
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def over_white(samples: np.ndarray, alpha: np.ndarray, maximum: int = 255) -> np.ndarray:
    """0..255 in floating point: the reference."""
    share = (alpha / maximum)[..., None] if samples.ndim == 3 else alpha / maximum
    return 255 * (samples / maximum * share + 1 - share)


def assert_rounds_to(got: np.ndarray, reference: np.ndarray, slack: float = 0.5) -> None:
    assert got.dtype == np.uint8
    assert got.shape == reference.shape
    assert np.abs(got - reference).max() <= slack + 1e-9


def samples16(*shape: int) -> np.ndarray:
    return RNG.integers(0, 65536, shape, dtype=np.uint16)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_rgb_comes_back_exactly(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decode(encode(RGB, kind, **options)), RGB)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_gray_comes_back_exactly(kind):
    np.testing.assert_array_equal(decode(encode(GRAY, kind)), GRAY)


def test_jpeg_is_what_pillow_decodes():
    data = encode(RGB, "JPEG")
    np.testing.assert_array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data))))
    assert decode(encode(GRAY, "JPEG")).shape == (20, 30)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_black_and_white(kind):
    bits = GRAY > 127
    np.testing.assert_array_equal(decode(encode(Image.fromarray(bits), kind)), bits * 255)


def test_rgba_is_composited_over_white():
    rgba = RNG.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    rgba[0, :, 3], rgba[1, :, 3] = 0, 255
    got = decode(encode(rgba))
    assert_rounds_to(got, over_white(rgba[..., :3], rgba[..., 3]))
    assert (got[0] == 255).all()
    np.testing.assert_array_equal(got[1], rgba[1, :, :3])


def test_gray_with_alpha_stays_gray():
    alpha = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    image = Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(alpha)])
    assert_rounds_to(decode(encode(image)), over_white(GRAY, alpha))


def test_palette():
    image = Image.fromarray(RGB).quantize(16)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode(encode(image)), expected)
    clear = 5
    expected = np.where((np.asarray(image) == clear)[..., None], 255, expected)
    np.testing.assert_array_equal(decode(encode(image, transparency=clear)), expected)


def test_transparent_colour_key_becomes_white():
    rgb = RGB.copy()
    rgb[3, 4] = (1, 2, 3)
    expected = rgb.copy()
    expected[3, 4] = 255
    np.testing.assert_array_equal(decode(encode(rgb, transparency=(1, 2, 3))), expected)


def test_cmyk():
    cmyk = np.zeros((4, 4, 4), np.uint8)
    cmyk[..., 0] = 255  # full cyan
    cyan = decode(encode(Image.fromarray(cmyk, "CMYK"), "TIFF"))
    np.testing.assert_array_equal(cyan, np.broadcast_to([0, 255, 255], (4, 4, 3)))
    jpeg = decode(encode(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=100))
    assert np.abs(jpeg.astype(int) - [0, 255, 255]).max() < 8


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_scaled_and_rounded(channels):
    samples = samples16(20, 30, channels)
    colour = samples[..., : 1 if channels < 3 else 3]
    expected = colour * (255 / 65535)
    if channels in (2, 4):
        expected = over_white(colour, samples[..., -1], 65535)
    got = decode(encode_png16(samples))
    slack = 0.5 if channels in (1, 3) else 0.502  # blending rounds once more, to 16 bits
    assert_rounds_to(got, expected[..., 0] if channels < 3 else expected, slack)


def test_16_bit_keeps_every_8_bit_value():
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16, 1) * 257
    np.testing.assert_array_equal(decode(encode_png16(levels)).ravel(), np.arange(256))
    rgb = np.repeat(levels, 3, axis=2)
    np.testing.assert_array_equal(decode(encode_png16(rgb))[..., 1].ravel(), np.arange(256))


def test_16_bit_colour_key_becomes_white():
    samples = samples16(8, 8, 3)
    samples[2, 2] = (256, 512, 513)
    samples[2, 3] = (256, 512, 514)  # the same high bytes, but not the key
    got = decode(encode_png16(samples, transparent=struct.pack(">HHH", 256, 512, 513)))
    assert got[2, 2].tolist() == [255, 255, 255]
    assert got[2, 3].tolist() == [1, 2, 2]
    gray = decode(encode_png16(samples[..., :1], transparent=struct.pack(">H", 256)))
    assert gray[2, 2] == 255


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_is_scaled_and_rounded(compression, byteorder, channels):
    samples = samples16(20, 30, channels)
    options = {"photometric": "rgb" if channels > 1 else "minisblack"}
    if channels == 4:
        options["extrasamples"] = ["unassalpha"]
    data = encode_tiff(samples.squeeze(), compression=compression, byteorder=byteorder, **options)
    expected = samples * (255 / 65535)
    if channels == 4:
        expected = over_white(samples[..., :3], samples[..., 3], 65535)
    assert_rounds_to(decode(data), expected.squeeze(), 0.502 if channels == 4 else 0.5)


def test_16_bit_tiff_where_zero_is_white():
    samples = samples16(20, 30)
    got = decode(encode_tiff(samples, photometric="miniswhite"))
    assert_rounds_to(got, (65535 - samples.astype(float)) * (255 / 65535))


def test_16_bit_cmyk_tiff():
    samples = np.zeros((4, 4, 4), np.uint16)
    samples[..., 3] = 65535 // 2
    got = decode(encode_tiff(samples, photometric="separated"))
    assert got.shape == (4, 4, 3)
    assert np.abs(got.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_separate_planes_of_16_bits_are_refused(compression):
    """Pillow reads them as noise, or cut to 8 bits where they are compressed."""
    planes = samples16(3, 20, 30)
    data = encode_tiff(planes, photometric="rgb", planarconfig="separate", compression=compression)
    with pytest.raises(UnreadableImage, match="separate planes"):
        decode(data)


UPRIGHT = {  # EXIF: where the stored picture's row 0 and column 0 are
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    upright = UPRIGHT[orientation]
    np.testing.assert_array_equal(decode(encode(RGB, exif=exif)), upright(RGB))
    np.testing.assert_array_equal(decode(encode(RGB, "TIFF", exif=exif)), upright(RGB))
    jpeg = decode(encode(RGB, "JPEG", exif=exif))
    np.testing.assert_array_equal(jpeg, upright(decode(encode(RGB, "JPEG"))))
    deep = GRAY.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode(encode(deep, exif=exif)), upright(GRAY))
    tag = [(274, "H", 1, orientation, False)]
    data = encode_tiff(RGB.astype(np.uint16) * 257, photometric="rgb", extratags=tag)
    np.testing.assert_array_equal(decode(data), upright(RGB))


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
def test_only_the_first_frame_counts(kind, options):
    second = Image.fromarray(255 - RGB)
    data = encode(RGB, kind, save_all=True, append_images=[second], **options)
    np.testing.assert_array_equal(decode(data), RGB)


@pytest.mark.parametrize("kind", ["float32", "uint32", "int16"])
def test_samples_without_a_range_are_refused(kind):
    with pytest.raises(UnreadableImage, match="no known range"):
        decode(encode_tiff(GRAY.astype(kind)))


def test_floating_point_colour_is_refused():
    with pytest.raises(UnreadableImage, match="TIFF"):
        decode(encode_tiff(RGB.astype("float32"), photometric="rgb"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_files_are_refused(kind, share):
    data = encode(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)
    with pytest.raises(UnreadableImage):
        decode(data[: int(len(data) * share)])


def test_damaged_png_is_refused():
    data = bytearray(encode(RGB))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(UnreadableImage):
        decode(bytes(data))


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(UnreadableImage):
        decode(data)


def test_a_failure_without_a_message_is_named(monkeypatch):
    monkeypatch.setattr(Image, "open", Mock(side_effect=MemoryError))
    with pytest.raises(UnreadableImage, match="cannot be decoded: MemoryError"):
        decode(encode(RGB))
