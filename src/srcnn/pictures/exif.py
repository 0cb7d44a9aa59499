"""EXIF (JEITA CP-3451): what a file says about its picture, taken to a picture of another size."""

import struct
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as ExifTag

# Of a TIFF's main directory, which holds the layout of the file too, what EXIF means to go along.
_DESCRIPTION = {
    ExifTag.ImageDescription,
    ExifTag.Make,
    ExifTag.Model,
    ExifTag.XResolution,
    ExifTag.YResolution,
    ExifTag.ResolutionUnit,
    ExifTag.Software,
    ExifTag.DateTime,
    ExifTag.Artist,
    ExifTag.HostComputer,
    ExifTag.Rating,
    ExifTag.RatingPercent,
    ExifTag.Copyright,
    ExifTag.XPTitle,
    ExifTag.XPComment,
    ExifTag.XPAuthor,
    ExifTag.XPKeywords,
    ExifTag.XPSubject,
}
_MARK = "srcnn"  # as Software, so that an enlarged picture is known from its original

_Below = dict[int, "_Below"]
_DIRECTORIES: _Below = {IFD.Exif: {IFD.Interop: {}}, IFD.GPSInfo: {}}
# Bytes of a value by its field type, TIFF 6.0 section 2, its supplement 1 and BigTIFF
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}


@dataclass(frozen=True)
class Field:
    """An entry of a TIFF directory.

    Attributes:
        tag: its number.
        kind: the type of its values, TIFF 6.0 section 2.
        count: how many values.
        content: the values, little-endian; or the directory to which the entry points.
    """

    tag: int
    kind: int
    count: int
    content: "bytes | list[Field]"


def read_exif(image: Image.Image) -> Image.Exif | None:
    """What the file of an opened picture says, without orientation; None if that is nothing."""
    if image.format != "TIFF" and "exif" not in image.info:
        return None
    try:
        exif = image.getexif()
        if image.format == "TIFF":
            exif = _described(exif)
        copy = Image.Exif()
        copy.load(exif.tobytes())
        for block in _DIRECTORIES:
            copy.get_ifd(block)
    except Exception:  # a camera's malformed notes are no reason to refuse its picture
        return None
    copy.pop(ExifTag.Orientation, None)
    return copy or None


def exif_bytes(
    exif: Image.Exif | None, width: int, height: int, dpi: tuple[float, float] | None
) -> bytes:
    """EXIF for a picture of another size, as it stands in a file, with the mark of this package."""
    exif = exif or Image.Exif()
    block = exif.get_ifd(IFD.Exif)
    for tag, size in ((ExifTag.ExifImageWidth, width), (ExifTag.ExifImageHeight, height)):
        if tag in block:
            block[tag] = size
    if dpi and ExifTag.XResolution not in exif:
        exif[ExifTag.XResolution], exif[ExifTag.YResolution] = dpi
        exif[ExifTag.ResolutionUnit] = 2  # inches
    exif[ExifTag.Software] = _MARK
    return exif.tobytes()


def is_marked(exif: Image.Exif | None) -> bool:
    """Whether this is of a picture that this package wrote."""
    return exif is not None and exif.get(ExifTag.Software) == _MARK


def tiff_fields(exif: bytes) -> list[Field]:
    """What of this EXIF belongs into the main directory of a TIFF."""
    ordered = Image.Exif()
    ordered.load(exif)
    ordered.endian = "<"
    fields = _fields(ordered.tobytes().removeprefix(b"Exif\0\0"), 8, _DIRECTORIES)
    return [field for field in fields if field.tag in _DESCRIPTION | _DIRECTORIES.keys()]


def _described(directory: Image.Exif) -> Image.Exif:
    exif = Image.Exif()
    for tag in _DESCRIPTION.intersection(directory):
        if not str(directory[tag]).startswith('{"shape":'):  # tifffile's note on the layout
            exif[tag] = directory[tag]
    for pointer in _DIRECTORIES:
        block = dict(directory.get_ifd(pointer))
        if IFD.Interop in block:  # an offset in the file
            block[IFD.Interop] = directory.get_ifd(IFD.Interop)
        if block:
            exif[pointer] = block
    return exif


def _fields(data: bytes, start: int, below: _Below) -> list[Field]:
    """The entries of the directory at an offset that have a value, with directories below it."""
    (entries,) = struct.unpack_from("<H", data, start)
    fields = []
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        tag, kind, count, offset = struct.unpack_from("<HHII", data, at)
        content: bytes | list[Field]
        if tag in below:
            content = _fields(data, offset, below[tag])
        else:
            size = count * _SIZES[kind]
            first = offset if size > 4 else at + 8
            content = data[first : first + size]
        if content:
            fields.append(Field(tag, kind, count, content))
    return fields
