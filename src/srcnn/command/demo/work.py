"""What the page computes, without the page."""

import shutil
import tempfile
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from srcnn.color import luma
from srcnn.command.demo.models import load
from srcnn.imresize import crop_to_multiple, downscale
from srcnn.inference import SuperResolver
from srcnn.pictures import images
from srcnn.scoring.classical import shave
from srcnn.scoring.measures import MEASURES, Context, Function, Measure
from srcnn.scoring.protocol import measured
from srcnn.upscaling import OutOfTime, Upscaler

# What two cores enlarge while somebody waits.
MAX_RESULT_PIXELS = 16_000_000

# Seconds that somebody waits for it on a slower machine, or for a larger network.
PATIENCE = 120.0

_MAX_LEARNED_PIXELS = 1_000_000

HR, BICUBIC, A, B = "original", "bicubic", "A", "B"


@dataclass(frozen=True)
class Results:
    """Pictures of one size, uint8 (H, W) or (H, W, 3), by name, in the order of the page.

    Attributes:
        pictures: original if known, bicubic, A, B if chosen.
        scores: of each but the original the measures, by name; if that is not known, those that
            need none.
        files: the PNG files of A and B to download; they go when this object does.
        note: one sentence on what was done.
    """

    pictures: dict[str, np.ndarray]
    scores: dict[str, dict[str, float]]
    files: dict[str, str]
    note: str


def enlarge(path: str, as_hr: bool, a: str, b: str | None) -> Results:
    """Enlarge a picture file by one or two models.

    Args:
        path: the file; alpha is put over white.
        as_hr: take it as the original: shrink it first, then compare the results with it.
        a: reference of a model.
        b: reference of another of the same scale, or None.

    Raises:
        ValueError: the file is no picture, is too large or too small, takes longer than PATIENCE,
            or the scales differ.
    """
    data = Path(path).read_bytes()
    with images.opened(data) as image:
        width, height = image.size
    models = {A: load(a).resolver} | ({B: load(b).resolver} if b else {})
    scale = models[A].scale
    if any(model.scale != scale for model in models.values()):
        scales = " and ".join(f"{name} is x{model.scale}" for name, model in models.items())
        raise ValueError(f"{scales}: choose two models of one scale to compare them")
    _check_size(width, height, 1 if as_hr else scale, scale)
    picture = images.decode(data)
    hr = crop_to_multiple(picture, scale) if as_hr else None
    lr = picture if hr is None else downscale(hr, scale)
    pictures = {} if hr is None else {HR: hr}
    started = time.monotonic()
    for name, model in models.items():
        samples = lr if lr.ndim == 3 else lr[..., None]
        try:
            bands = list(Upscaler(model).bands(samples, started + PATIENCE))
        except OutOfTime:
            raise ValueError(
                f"it takes longer than {PATIENCE:.0f} seconds here. `srcnn upscale` has no limit"
            ) from None
        pictures.setdefault(BICUBIC, _whole([band.bicubic for band in bands]))
        pictures[name] = _whole([band.sr for band in bands])
    seconds = time.monotonic() - started
    scores = {name: _scores(pictures[name], hr, models[A]) for name in (BICUBIC, *models)}
    height, width = pictures[A].shape[:2]
    note = (
        f"{lr.shape[1]} × {lr.shape[0]} pixels enlarged to {width} × {height} (×{scale}) "
        f"in {seconds:.1f} s."
    )
    folder = tempfile.mkdtemp(prefix="srcnn-")
    made = Results(pictures, scores, _files(pictures, Path(folder), Path(path).stem), note)
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    return made


def detail(picture: np.ndarray, zoom: float, across: float, down: float) -> np.ndarray:
    """A part of a picture, magnified without smoothing.

    Args:
        picture: (H, W) or (H, W, 3).
        zoom: at least 1, where all of it is shown.
        across: where the part lies, 0 left to 1 right.
        down: 0 top to 1 bottom.
    """
    height, width = picture.shape[:2]
    rows, columns = (max(round(side / zoom), 1) for side in (height, width))
    top, left = round((height - rows) * down), round((width - columns) * across)
    part = picture[top : top + rows, left : left + columns]
    repeat = max(round(480 / max(rows, columns)), 1)
    return part.repeat(repeat, axis=0).repeat(repeat, axis=1)


def _check_size(width: int, height: int, scale: int, least: int) -> None:
    if min(height, width) < 8 * least:
        raise ValueError(f"the picture has {width}x{height} pixels; that is too small to look at")
    if height * width * scale**2 > MAX_RESULT_PIXELS:
        raise ValueError(
            f"the picture has {width}x{height} pixels; this page makes up to "
            f"{MAX_RESULT_PIXELS // 10**6} megapixels. `srcnn upscale` takes pictures of up to "
            f"{images.MAX_PIXELS // 10**6}"
        )


def _whole(bands: list[np.ndarray]) -> np.ndarray:
    picture = np.concatenate(bands)
    return picture[..., 0] if picture.shape[2] == 1 else picture


def _scores(picture: np.ndarray, hr: np.ndarray | None, model: SuperResolver) -> dict[str, float]:
    """By the protocol of the evaluation: luma, `scale` pixels shaved off each side."""
    got = shave(luma(picture, model.luma), model.scale)
    original = None if hr is None else shave(luma(hr, model.luma), model.scale)
    wanted = [
        measure
        for measure in MEASURES.values()
        if (hr is not None or not measure.needs_original)
        and (not measure.learned or got.size <= _MAX_LEARNED_PIXELS)
    ]
    functions = {measure: found for measure in wanted if (found := _function(measure))}
    return measured(got, original, model.luma, functions)


@cache
def _function(measure: Measure) -> Function | None:
    """None where the network that it needs is not on this machine; the page fetches nothing."""
    with suppress(ValueError, ImportError):
        return measure.make(Context())
    return None


def _files(pictures: dict[str, np.ndarray], folder: Path, stem: str) -> dict[str, str]:
    files = {}
    for name in (A, B):
        if name in pictures:
            path = folder / f"{stem}_{name}.png"
            Image.fromarray(pictures[name]).save(path)
            files[name] = str(path)
    return files
