"""The folders of evaluate.test_sets, checked before the long stages and read by evaluate."""

from pathlib import Path

from pipeline.data import picture_files
from pipeline.stage import StageError
from pipeline.stage.params import Params
from pipeline.stage.paths import HELD_OUT
from srcnn.pictures import images
from srcnn.pictures.samples import UnreadableImage
from srcnn.scoring.classical import smallest_side


def find(params: Params) -> dict[str, list[Path]]:
    """The pictures of each test set, every one of them known to be readable and large enough.

    Raises:
        StageError: a test set is no folder, or a picture in it cannot be read or is too small.
    """
    return {
        name: _find_pictures(name, folder, params.degrade.scale)
        for name, folder in params.evaluate.test_sets.items()
    }


def _find_pictures(name: str, folder: str, scale: int) -> list[Path]:
    key = f"evaluate.test_sets.{name}"
    if name == HELD_OUT:
        raise StageError(f"{key}: this name stands for the held-out test split; use another")
    root, names = picture_files.find(folder, key, Path.iterdir)
    files = [root / file for file in names]
    needed = smallest_side(scale)
    for file in files:
        if problem := picture_files.name_problem(file.name):
            raise StageError(f"{key}: {file.name!a} cannot be used: {problem}")
        try:
            height, width = images.decode(file.read_bytes()).shape[:2]
        except (OSError, UnreadableImage) as error:
            raise StageError(f"{key}: {file} cannot be read: {error}") from None
        if min(height - height % scale, width - width % scale) < needed:
            raise StageError(
                f"{key}: {file} is {width}x{height}; cropped to a multiple of degrade.scale "
                f"({scale}), a picture must be at least {needed}x{needed} to be scored"
            )
    return files
