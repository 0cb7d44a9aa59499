"""Picture files as people have them, with all that must come back after enlarging."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from srcnn.pictures.exif import read_exif
from srcnn.pictures.images import MAX_PIXELS, open_again, opened
from srcnn.pictures.png import colour_chunks
from srcnn.pictures.samples import UnreadableImage, read_samples

_MAX_DPI = 1_000_000  # what is more, or no number, is a mistake


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        samples: see `srcnn.pictures.samples.read_samples`.
        icc: the colour profile, if the file has one that describes these samples.
        exif: what camera and owner wrote, from `srcnn.pictures.exif.read_exif`.
        dpi: dots per inch, across and down, if the file says it other than by EXIF.
        colour: a PNG's chunks on the meaning of its samples, by their names.
    """

    samples: np.ndarray
    icc: bytes | None = None
    exif: Image.Exif = field(default_factory=Image.Exif)
    dpi: tuple[float, float] | None = None
    colour: dict[bytes, bytes] = field(default_factory=dict)


def read(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture of one of the formats that `images.decode` takes.

    Palettes become RGB, 1-bit pictures gray, CMYK RGB without its profile. 16 bits stay 16 bits;
    fewer (a 12-bit TIFF) are scaled to 16.

    Raises:
        UnreadableImage: not one of these formats, damaged or truncated, several frames or pages,
            more than `max_pixels`, or samples without a known range.
    """
    with opened(source, max_pixels) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # of a phone's MPO, the others are aids
            raise UnreadableImage(f"{frames} frames or pages; only single pictures are enlarged")
        icc = image.info.get("icc_profile")
        exif = read_exif(image)
        dpi = _resolution(image)
        colour = colour_chunks(image.info) if image.format == "PNG" else {}
        samples = read_samples(image, lambda: open_again(source))
        return Picture(samples, None if image.mode == "CMYK" else icc, exif, dpi, colour)


def _resolution(image: ImageFile) -> tuple[float, float] | None:
    if image.format in ("JPEG", "MPO") and not image.info.get("jfif_unit"):
        return None  # Pillow's "dpi" is then that of EXIF, or made up
    across, down = map(float, image.info.get("dpi", (0, 0)))
    return (across, down) if 0 < across < _MAX_DPI and 0 < down < _MAX_DPI else None
