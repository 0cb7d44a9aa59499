"""The photographs inside scikit-image and Matplotlib, cut to tiles: nothing to download."""

import io
from collections.abc import Iterator
from importlib.resources import files

import numpy as np
from PIL import Image

from pipeline.base.params import Data
from pipeline.sources.raw import RawPicture, Unreadable
from pipeline.sources.source import Source
from srcnn.pictures import images

TILE = 256
DARK = 8  # a tile whose median gray level is below is plain background, as around the retina

# File -> source. Drawings, text pages, masks and test patterns of the packages are left out; the
# two halves of a stereo pair are near-duplicates, so they count as one photograph. Who made them,
# and their licences: docs/data.md.
PHOTOGRAPHS = {
    "astronaut.png": "astronaut",
    "brick.png": "brick",
    "camera.png": "camera",
    "cell.png": "cell",
    "chelsea.png": "chelsea",
    "clock_motion.png": "clock_motion",
    "coffee.png": "coffee",
    "coins.png": "coins",
    "grace_hopper.jpg": "grace_hopper",
    "grass.png": "grass",
    "gravel.png": "gravel",
    "hubble_deep_field.jpg": "hubble_deep_field",
    "ihc.png": "ihc",
    "moon.png": "moon",
    "motorcycle_left.png": "motorcycle",
    "motorcycle_right.png": "motorcycle",
    "retina.jpg": "retina",
    "rocket.jpg": "rocket",
}
_SCIKIT_IMAGE = ("skimage", "data")
_ELSEWHERE = {"grace_hopper.jpg": ("matplotlib", "mpl-data/sample_data")}


def open_source(data: Data, unreadable: Unreadable) -> Source:
    """Tiles of TILE x TILE pixels that do not overlap, in PNG; ids are photograph/y-x.

    Every photograph's first tile comes before any second one, so that few tiles are of many
    photographs.
    """
    found = [(rank, tile) for name in PHOTOGRAPHS for rank, tile in enumerate(_tiles(name))]
    found.sort(key=lambda entry: entry[0])
    tiles = [tile for _, tile in found[: data.limit]]
    return Source(iter(tiles), len(tiles))


def sources(limit: int | None) -> list[str]:
    """The photographs that so many tiles are of, known without decoding any."""
    return list(PHOTOGRAPHS.values())[:limit]


def photograph(name: str) -> np.ndarray:
    """One of PHOTOGRAPHS: uint8 (H, W) or (H, W, 3)."""
    package, folder = _ELSEWHERE.get(name, _SCIKIT_IMAGE)
    return images.decode((files(package) / folder / name).read_bytes())


def _tiles(name: str) -> Iterator[RawPicture]:
    picture = photograph(name)
    height, width = picture.shape[:2]
    for y in range(0, height - TILE + 1, TILE):
        for x in range(0, width - TILE + 1, TILE):
            tile = picture[y : y + TILE, x : x + TILE]
            if np.median(np.asarray(Image.fromarray(tile).convert("L"))) >= DARK:
                stem = name.rpartition(".")[0]
                yield RawPicture(f"{stem}/{y}-{x}", PHOTOGRAPHS[name], _png(tile))


def _png(tile: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "PNG")
    return buffer.getvalue()
