"""EXIF (JEITA CP-3451): what a file says about its picture, taken to a picture of another size."""

from PIL import Image
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as ExifTag

# What goes along of the main directory, which holds the file's own layout, too.
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


def read_exif(image: Image.Image) -> Image.Exif:
    """What the file of an opened picture says, without orientation; empty if that is nothing.

    The directories below the main one, of EXIF and GPS, are its values, as dictionaries.
    """
    if image.format != "TIFF" and "exif" not in image.info:
        return Image.Exif()  # asking would load a PNG whole
    exif = Image.Exif()
    try:
        stored = image.getexif()
        for tag in _DESCRIPTION.intersection(stored):
            if not str(stored[tag]).startswith('{"shape":'):  # tifffile's note on the layout
                exif[tag] = stored[tag]
        for pointer in (IFD.Exif, IFD.GPSInfo):
            directory = dict(stored.get_ifd(pointer))
            if IFD.Interop in directory:  # an offset in the file
                directory[IFD.Interop] = stored.get_ifd(IFD.Interop)
            if directory:
                exif[pointer] = directory
        exif.tobytes()
    except Exception:  # a camera's malformed notes are no reason to refuse its picture
        return Image.Exif()
    return exif


def resized(
    exif: Image.Exif, width: int, height: int, dpi: tuple[float, float] | None
) -> Image.Exif:
    """The same for a picture of another size, and with its dots per inch, across and down."""
    result = Image.Exif()
    result.update(exif)
    if IFD.Exif in result:
        sizes = {ExifTag.ExifImageWidth: width, ExifTag.ExifImageHeight: height}
        directory = result[IFD.Exif]
        result[IFD.Exif] = directory | {tag: sizes[tag] for tag in sizes.keys() & directory.keys()}
    if dpi and ExifTag.XResolution not in result:
        result[ExifTag.XResolution], result[ExifTag.YResolution] = dpi
        result[ExifTag.ResolutionUnit] = 2  # inches
    return result
