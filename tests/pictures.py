"""Small encoded pictures and parameters for tests of the data side."""

import io
import shutil
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from pipeline.base.params import Params
from tests.support.paths import ROOT


def declare_stages(folder: Path) -> None:
    """Put the project's dvc.yaml into a checkout: stages note the parameters it declares."""
    shutil.copy(ROOT / "dvc.yaml", folder)


def png(seed: int, size: tuple[int, int] = (16, 24)) -> bytes:
    """An RGB picture of noise, (height, width) pixels, its own for every seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def params(**data: object) -> Params:
    """The project's parameters with other values in section data."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["data"] |= data
    return Params.model_validate(tree)
