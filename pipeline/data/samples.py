"""The photographs inside scikit-image, scikit-learn and Matplotlib, cut to tiles."""

import io
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from PIL import Image

from pipeline.data.picture_source import PictureSource, RawPicture
from pipeline.stage.sections import Data
from srcnn.data.color import luma
from srcnn.data.splits import SPLITS, evenly_spaced
from srcnn.pictures import images

TILE = 256
DARK = 8  # a tile whose median gray level is below is plain background, as around the retina
MOST = 4  # tiles of one photograph: none is to make up the training data

_SCIKIT_IMAGE = ("skimage", "data")
_SCIKIT_LEARN = ("sklearn", "datasets/images")
_MATPLOTLIB = ("matplotlib", "mpl-data/sample_data")


@dataclass(frozen=True)
class Photograph:
    """A photograph of the packages.

    Attributes:
        file: its name there.
        split: what it serves for.
        source: names it; the two halves of a stereo pair, near-duplicates, count as one.
        origin: row and column of the first tile, so that a face lies in one.
        place: its package and folder.
    """

    file: str
    split: str
    source: str = ""
    origin: tuple[int, int] = (0, 0)
    place: tuple[str, str] = _SCIKIT_IMAGE

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return self.file.rpartition(".")[0]


# One person to learn from, two to be tested on; each split has things, textures and what is alive.
# Drawings, text pages, masks and test patterns of the packages are left out. Who made the
# photographs, and their licences: docs/data.md.
PHOTOGRAPHS = (
    Photograph("camera.png", "train", origin=(0, 112)),
    Photograph("cell.png", "train"),
    Photograph("china.jpg", "train", place=_SCIKIT_LEARN),
    Photograph("grass.png", "train"),
    Photograph("hubble_deep_field.jpg", "train"),
    Photograph("moon.png", "train"),
    Photograph("motorcycle_left.png", "train", "motorcycle"),
    Photograph("motorcycle_right.png", "train", "motorcycle"),
    Photograph("retina.jpg", "train"),
    Photograph("chelsea.png", "val"),
    Photograph("gravel.png", "val"),
    Photograph("ihc.png", "val"),
    Photograph("astronaut.png", "test", origin=(0, 96)),
    Photograph("brick.png", "test"),
    Photograph("clock_motion.png", "test"),
    Photograph("coffee.png", "test"),
    Photograph("coins.png", "test"),
    Photograph("flower.jpg", "test", place=_SCIKIT_LEARN),
    Photograph("grace_hopper.jpg", "test", origin=(88, 128), place=_MATPLOTLIB),
    Photograph("rocket.jpg", "test"),
)


def open_source(data: Data) -> PictureSource:
    """Tiles of TILE x TILE pixels that do not overlap, in PNG; ids are photograph/y-x.

    Every photograph's first tile comes before any second one, and the splits take turns, so that
    few tiles are of many photographs and of all splits.
    """
    found = []
    for split in SPLITS:
        of_split = [each for each in PHOTOGRAPHS if each.split == split]
        for place, each in enumerate(of_split):
            found += [(rank, place, tile) for rank, tile in enumerate(_tiles(each))]
    found.sort(key=lambda entry: entry[:2])
    tiles = [tile for *_, tile in found[: data.limit]]
    return PictureSource(iter(tiles), len(tiles))


def photograph(name: str) -> np.ndarray:
    """One of PHOTOGRAPHS, by its file: uint8 (H, W) or (H, W, 3)."""
    package, folder = next(each.place for each in PHOTOGRAPHS if each.file == name)
    return images.decode((files(package) / folder / name).read_bytes())


def _tiles(each: Photograph) -> list[RawPicture]:
    picture = photograph(each.file)
    height, width = picture.shape[:2]
    top, left = each.origin
    tiles = []
    for y in range(top, height - TILE + 1, TILE):
        for x in range(left, width - TILE + 1, TILE):
            tile = picture[y : y + TILE, x : x + TILE]
            if np.median(luma(tile, "full")) >= DARK:
                source = each.source or each.stem
                tiles.append(RawPicture(f"{each.stem}/{y}-{x}", source, _png(tile), each.split))
    return [tiles[i] for i in evenly_spaced(len(tiles), MOST)]


def _png(tile: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "PNG")
    return buffer.getvalue()
