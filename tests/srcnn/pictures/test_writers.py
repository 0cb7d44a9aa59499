"""What is written, read back by others: Pillow, tifffile, and our reader of 16 bits."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

from srcnn.pictures import writers
from srcnn.pictures.deep import UnreadableImage
from srcnn.pictures.reader import Picture, read
from srcnn.pictures.tiff import TiffWriter

EXIF = Image.Exif()
EXIF.update(
    {
        Base.Make: "A camera",
        Base.Model: "M1",
        Base.DateTime: "2024:05:06 07:08:09",
        Base.Copyright: "Somebody",
        Base.XResolution: 72.5,
        Base.Orientation: 6,
        Base.YCbCrPositioning: 1,  # on the layout of a JPEG
    }
)
EXIF[IFD.Exif] = {
    Base.ExifImageWidth: 97,
    Base.ExifImageHeight: 150,
    Base.ExposureTime: IFDRational(1, 125),
    Base.LensModel: "50 mm",
    Base.MakerNote: b"secrets of the maker",
    IFD.Interop: {1: "R98"},
}
EXIF[IFD.GPSInfo] = {GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (50.5, 6.0, 1.25)}

RNG = np.random.default_rng(0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(channels, dtype):
    """Rows of every kind: the PNG filters all have to be chosen somewhere."""
    y, x = np.mgrid[:150, :97]
    planes = [np.sin(x / 9 + c) * 90 + y * 0.6 for c in range(channels)]
    samples = np.stack(planes, axis=2) - np.min(planes)
    samples[40:60] = RNG.uniform(0, 200, samples[40:60].shape)
    return (samples * (256 if dtype == np.uint16 else 1)).astype(dtype)


def write(path, samples, meta=None, rows=37):
    with writers.opened_writer(
        path, *samples.shape[:2], samples, meta or Picture(samples)
    ) as writer:
        for top in range(0, len(samples), rows):
            writer.write(samples[top : top + rows])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_lossless_formats_come_back_exactly(tmp_path, channels, dtype, suffix):
    samples = smooth(channels, dtype)
    path = tmp_path / f"a{suffix}"
    write(path, samples)
    if suffix == ".tif":
        np.testing.assert_array_equal(tifffile.imread(path), samples.squeeze())
    elif dtype == np.uint8:
        np.testing.assert_array_equal(np.asarray(Image.open(path)), samples.squeeze())
    if not (suffix == ".tif" and dtype == np.uint16 and channels == 2):  # which Pillow cannot read
        np.testing.assert_array_equal(read(path).samples, samples)
    assert list(tmp_path.iterdir()) == [path]


def test_png_is_about_as_small_as_pillows(tmp_path):
    samples = smooth(3, np.uint8)
    write(tmp_path / "a.png", samples)
    Image.fromarray(samples).save(tmp_path / "b.png")
    sizes = [(tmp_path / name).stat().st_size for name in ("a.png", "b.png")]
    assert sizes[0] < 1.1 * sizes[1]


def test_big_tiff(tmp_path, monkeypatch):
    """The layout for more than 4 GB, on a small picture."""
    samples = smooth(3, np.uint8)
    with (tmp_path / "a.tif").open("wb") as file:
        writer = TiffWriter(file, samples.shape, False, SRGB, EXIF.tobytes(), big=True)
        writer.write(samples)
        writer.finish()
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
        np.testing.assert_array_equal(tiff.asarray(), samples)
        assert tiff.pages[0].iccprofile == SRGB
    with Image.open(tmp_path / "a.tif") as image:
        assert_described(image)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lossy_formats_come_back_nearly(tmp_path, suffix, dtype):
    samples = smooth(3, dtype)
    samples[40:60] = samples[39]
    write(tmp_path / f"a{suffix}", samples)
    eight_bits = samples / (257 if dtype == np.uint16 else 1)
    got = np.asarray(Image.open(tmp_path / f"a{suffix}")).astype(float)
    assert np.abs(got - eight_bits).mean() < 3


def assert_described(image):
    exif = image.getexif()
    assert (exif[Base.Make], exif[Base.Model]) == ("A camera", "M1")
    assert exif[Base.DateTime] == "2024:05:06 07:08:09"
    assert exif[Base.Copyright] == "Somebody"
    assert exif[Base.XResolution] == 72.5
    block = exif.get_ifd(IFD.Exif)
    assert block[Base.ExposureTime] == IFDRational(1, 125)
    assert block[Base.LensModel] == "50 mm"
    assert block[Base.MakerNote] == b"secrets of the maker"
    assert exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] == (50.5, 6.0, 1.25)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_profile_and_exif_go_along(tmp_path, source, suffix, endian):
    EXIF.endian = endian
    samples = smooth(3, np.uint8)
    Image.fromarray(samples).save(tmp_path / "in", source, exif=EXIF.tobytes(), icc_profile=SRGB)
    picture = read(tmp_path / "in")
    assert picture.samples.shape == (97, 150, 3)
    path = tmp_path / f"a{suffix}"
    doubled = picture.samples.repeat(2, axis=0).repeat(2, axis=1)
    write(path, doubled, picture)
    with Image.open(path) as image:
        assert image.info["icc_profile"] == SRGB
        assert image.size == (300, 194)
        assert Base.Orientation not in image.getexif()
        assert_described(image)
        block = image.getexif().get_ifd(IFD.Exif)
        assert (block[Base.ExifImageWidth], block[Base.ExifImageHeight]) == (300, 194)
        if source != "TIFF":  # where Pillow writes a wrong offset
            assert image.getexif().get_ifd(IFD.Interop) == {1: "R98"}
    if suffix == ".tif":
        np.testing.assert_array_equal(tifffile.imread(path), doubled)
        assert Base.YCbCrPositioning not in Image.open(path).tag_v2


def test_a_tiff_says_nothing_of_its_layout(tmp_path):
    """Of what Pillow calls EXIF there, strips, compression and shape are not taken along."""
    samples = smooth(3, np.uint8)
    Image.fromarray(samples).save(tmp_path / "in.tif", compression="tiff_lzw")
    assert read(tmp_path / "in.tif").exif is None
    tifffile.imwrite(tmp_path / "in.tif", samples)
    assert Base.ImageDescription not in read(tmp_path / "in.tif").exif


def test_malformed_exif_does_not_stop_a_tiff(tmp_path):
    """A directory of notes outside the file, and one that is itself."""
    samples = smooth(3, np.uint8)
    for tag, offset in ((IFD.Exif, 99_999), (IFD.Interop, 8), (IFD.GPSInfo, 8)):
        exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, tag, 4, 1, offset, 0)
        Image.fromarray(samples).save(tmp_path / "in.png", exif=exif)
        picture = read(tmp_path / "in.png")
        write(tmp_path / "a.tif", samples, picture)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), samples)


def test_nothing_is_left_of_a_failure(tmp_path):
    samples = smooth(3, np.uint8)
    with (
        pytest.raises(RuntimeError),
        writers.opened_writer(tmp_path / "a.png", 300, 97, samples, Picture(samples)),
    ):
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "size", "channels", "message"),
    [
        ("a.gif", (9, 9), 3, "suffix"),
        ("a.jpg", (9, 9), 4, "no transparency"),
        ("a.jpeg", (9, 70_000), 3, "65535"),
        ("a.webp", (9, 17_000), 3, "16383"),
        ("a.jpg", (20_000, 20_000), 1, "128,000,000"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, size, channels, message):
    with pytest.raises(ValueError, match=message):
        writers.check_output(tmp_path / name, *size, channels)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


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
