"""What is written, read back by others: Pillow, tifffile, and our reader of 16 bits."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

from srcnn.pictures import tiff, writers
from srcnn.pictures.reader import Picture, read
from tests.srcnn.pictures.encoded import png, smooth
from tests.support.pictures import encoded

EXIF = Image.Exif()
EXIF.update(
    {
        Base.Make: "A camera",
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

RGB = smooth(3, np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write(path, samples, meta=None, rows=37):
    parts = (samples[top : top + rows] for top in range(0, len(samples), rows))
    writers.write(path, meta or Picture(samples), *samples.shape[:2], parts)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_lossless_formats_come_back_exactly(tmp_path, channels, dtype, suffix):
    samples = smooth(channels, dtype)
    path = tmp_path / f"a{suffix}"
    write(path, samples)
    if suffix == ".tif":
        np.testing.assert_array_equal(tifffile.imread(path), samples.squeeze())
    if not (suffix == ".tif" and dtype == np.uint16 and channels == 2):  # which Pillow cannot read
        np.testing.assert_array_equal(read(path).samples, samples)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lossy_formats_come_back_nearly(tmp_path, suffix, dtype):
    samples = smooth(3, dtype)
    samples[40:60] = samples[39]
    write(tmp_path / f"a{suffix}", samples)
    eight_bits = samples / (257 if dtype == np.uint16 else 1)
    got = np.asarray(Image.open(tmp_path / f"a{suffix}")).astype(float)
    assert np.abs(got - eight_bits).mean() < 3


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "big.tif"])
def test_profile_and_exif_go_along(tmp_path, monkeypatch, source, name, endian):
    if name == "big.tif":  # in the layout for more than 4 GB
        monkeypatch.setattr(tiff, "_CLASSIC", 0)
    EXIF.endian = endian
    Image.fromarray(RGB).save(tmp_path / "in", source, exif=EXIF.tobytes(), icc_profile=SRGB)
    picture = read(tmp_path / "in")
    assert picture.samples.shape == (97, 150, 3)
    path = tmp_path / name
    doubled = picture.samples.repeat(2, axis=0).repeat(2, axis=1)
    write(path, doubled, picture)
    with Image.open(path) as image:
        assert image.info["icc_profile"] == SRGB
        assert image.size == (300, 194)
        exif = image.getexif()
        assert (exif[Base.Make], exif[Base.XResolution]) == ("A camera", 72.5)
        assert not {Base.Orientation, Base.YCbCrPositioning} & exif.keys()
        assert exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] == (50.5, 6.0, 1.25)
        block = exif.get_ifd(IFD.Exif)
        assert block[Base.ExposureTime] == IFDRational(1, 125)
        assert block[Base.LensModel] == "50 mm"
        assert block[Base.MakerNote] == b"secrets of the maker"
        assert (block[Base.ExifImageWidth], block[Base.ExifImageHeight]) == (300, 194)
        if source != "TIFF":  # where Pillow writes a wrong offset
            assert exif.get_ifd(IFD.Interop) == {1: "R98"}
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff == (name == "big.tif")
            np.testing.assert_array_equal(file.asarray(), doubled)


def test_a_tiff_says_nothing_of_its_layout(tmp_path):
    """Of what Pillow calls EXIF there, strips, compression and shape are not taken along."""
    Image.fromarray(RGB).save(tmp_path / "in.tif", compression="tiff_lzw")
    assert not read(tmp_path / "in.tif").exif
    tifffile.imwrite(tmp_path / "in.tif", RGB)
    assert Base.ImageDescription not in read(tmp_path / "in.tif").exif


def test_malformed_exif_does_not_stop_a_tiff(tmp_path):
    """A directory of notes outside the file, and one that is itself."""
    for tag, offset in ((IFD.Exif, 99_999), (IFD.Interop, 8), (IFD.GPSInfo, 8)):
        exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, tag, 4, 1, offset, 0)
        Image.fromarray(RGB).save(tmp_path / "in.png", exif=exif)
        picture = read(tmp_path / "in.png")
        write(tmp_path / "a.tif", RGB, picture)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), RGB)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("a.jpeg", (9, 70_000), "65535"),
        ("a.webp", (9, 17_000), "16383"),
        ("a.jpg", (20_000, 20_000), "128,000,000"),
    ],
)
def test_what_is_too_large_for_a_format_is_refused(name, size, message):
    with pytest.raises(ValueError, match=message):
        writers.check_output(Path(name), *size, 3)


def test_more_exif_than_jpeg_holds_is_refused(tmp_path):
    exif = Image.Exif()
    exif[IFD.Exif] = {Base.MakerNote: bytes(70_000)}
    picture = read(encoded(RGB, exif=exif))
    with pytest.raises(ValueError, match="EXIF data is too long"):
        write(tmp_path / "a.jpg", RGB, picture)


def test_what_a_png_says_of_its_colours_stays(tmp_path):
    chunks = {
        b"sRGB": b"\1",
        b"gAMA": struct.pack(">I", 100_000),
        b"cHRM": struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000),
    }
    picture = read(png(8, RGB, *chunks.items()))
    write(tmp_path / "a.png", RGB, picture)
    assert read(tmp_path / "a.png").colour == picture.colour == chunks


@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_the_resolution_goes_along(tmp_path, source, suffix):
    picture = read(encoded(RGB, source, dpi=(300, 150)))
    path = tmp_path / f"a{suffix}"
    write(path, RGB, picture)
    with Image.open(path) as image:
        exif = image.getexif()
        told = image.info.get("dpi", (exif[Base.XResolution], exif[Base.YResolution]))
        # PNG counts by metres
        assert [float(each) for each in told] == pytest.approx([300, 150], abs=0.02)
        assert exif[Base.ResolutionUnit] == 2


def test_a_resolution_of_nothing_is_none():
    assert read(encoded(Image.new("RGB", (9, 9)), "BMP", dpi=(0, 0))).dpi is None
