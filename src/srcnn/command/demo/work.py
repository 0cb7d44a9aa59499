"""What the page computes, without the page."""

import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from srcnn.command.demo.models import load
from srcnn.data.color import luma
from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.inference.resolver import SuperResolver
from srcnn.inference.upscaler import Band, OutOfTime, Upscaler
from srcnn.pictures import images
from srcnn.scoring.classical import shave
from srcnn.scoring.measures import MEASURES, Context, Function, Measure
from srcnn.scoring.protocol import measured

# What two cores enlarge while somebody waits.
MAX_RESULT_PIXELS = 16_000_000

# Seconds that somebody waits for it on a slower machine, or for a larger network.
TIME_LIMIT = 120.0

_MAX_LEARNED_PIXELS = 1_000_000

HR, BICUBIC, A, B, BLEND = "original", "bicubic", "A", "B", "blend"


@dataclass(frozen=True)
class Results:
    """Pictures of one size, uint8 (H, W) or (H, W, 3), by name, in the order of the page.

    Attributes:
        pictures: original if known, bicubic, one of each model, and the blend of two.
        scores: of each but the original the measures, by name; if that is not known, those that
            need none.
        files: the PNG files of the models' pictures to download; they go when this object does.
        note: one sentence on what was done.
        model: a model, whose luma and scale the measures are of.
    """

    pictures: dict[str, np.ndarray]
    scores: dict[str, dict[str, float]]
    files: dict[str, str]
    note: str
    model: SuperResolver

    def blend(self, share: float) -> None:
        """Add the mean of both models' pictures, B's of this share, 0 to 1; none without B.

        See Freirich et al. (NeurIPS 2021): the line between the estimate of least error and a
        natural one is the best trade-off of both.
        """
        if B not in self.pictures:
            return
        mean = (1 - share) * self.pictures[A] + share * self.pictures[B]
        self.pictures[BLEND] = np.rint(mean).astype(np.uint8)
        self.scores[BLEND] = _scores(self.pictures[BLEND], self.pictures.get(HR), self.model)


def enlarge(path: str, as_hr: bool, references: Mapping[str, str]) -> Results:
    """Enlarge a picture file by one or two models.

    Args:
        path: the file; alpha is put over white.
        as_hr: take it as the original: shrink it first, then compare the results with it.
        references: name -> reference of a model; all of one scale.

    Raises:
        ValueError: the file is no picture, is too large or too small, takes longer than TIME_LIMIT,
            or the scales differ.
    """
    data = Path(path).read_bytes()
    with images.opened(data) as image:
        width, height = image.size
    models = {name: load(reference).resolver for name, reference in references.items()}
    one, *_ = models.values()
    if any(model.scale != one.scale for model in models.values()):
        scales = " and ".join(f"{name} is x{model.scale}" for name, model in models.items())
        raise ValueError(f"{scales}: choose two models of one scale to compare them")
    _check_size(width, height, 1 if as_hr else one.scale, one.scale)
    picture = images.decode(data)
    hr = crop_to_multiple(picture, one.scale) if as_hr else None
    lr = picture if hr is None else downscale(hr, one.scale)
    pictures = {} if hr is None else {HR: hr}
    started = time.monotonic()
    for name, model in models.items():
        bands = _bands(lr, model, started + TIME_LIMIT)
        pictures.setdefault(BICUBIC, _whole([band.bicubic for band in bands]))
        pictures[name] = _whole([band.sr for band in bands])
    seconds = time.monotonic() - started
    scores = {name: _scores(pictures[name], hr, one) for name in (BICUBIC, *models)}
    height, width = pictures[BICUBIC].shape[:2]
    note = (
        f"{lr.shape[1]} × {lr.shape[0]} pixels enlarged to {width} × {height} (×{one.scale}) "
        f"in {seconds:.1f} s."
    )
    folder = Path(tempfile.mkdtemp(prefix="srcnn-"))
    files = {name: str(folder / f"{Path(path).stem}_{name}.png") for name in models}
    for name, file in files.items():
        Image.fromarray(pictures[name]).save(file)
    results = Results(pictures, scores, files, note, one)
    weakref.finalize(results, shutil.rmtree, folder, ignore_errors=True)
    return results


def _check_size(width: int, height: int, scale: int, least: int) -> None:
    if min(height, width) < 8 * least:
        raise ValueError(f"the picture has {width}x{height} pixels; that is too small to look at")
    if height * width * scale**2 > MAX_RESULT_PIXELS:
        raise ValueError(
            f"the picture has {width}x{height} pixels; this page makes up to "
            f"{MAX_RESULT_PIXELS // 10**6} megapixels. `srcnn upscale` takes pictures of up to "
            f"{images.MAX_PIXELS // 10**6}"
        )


def _bands(lr: np.ndarray, model: SuperResolver, deadline: float) -> list[Band]:
    samples = lr if lr.ndim == 3 else lr[..., None]
    try:
        return list(Upscaler(model).bands(samples, deadline))
    except OutOfTime:
        raise ValueError(
            f"it takes longer than {TIME_LIMIT:.0f} seconds here. `srcnn upscale` has no limit"
        ) from None


def _whole(bands: list[np.ndarray]) -> np.ndarray:
    picture = np.concatenate(bands)
    return picture[..., 0] if picture.shape[2] == 1 else picture


def _scores(picture: np.ndarray, hr: np.ndarray | None, model: SuperResolver) -> dict[str, float]:
    """By the protocol of the evaluation: luma, `scale` pixels shaved off each side."""
    enlarged = shave(luma(picture, model.luma), model.scale)
    original = None if hr is None else shave(luma(hr, model.luma), model.scale)
    wanted = [
        measure
        for measure in MEASURES.values()
        if (hr is not None or not measure.needs_original)
        and (not measure.learned or enlarged.size <= _MAX_LEARNED_PIXELS)
    ]
    functions = {measure: function for measure in wanted if (function := _function(measure))}
    return measured(enlarged, original, model.luma, functions)


@cache
def _function(measure: Measure) -> Function | None:
    """None where the network that it needs is not on this machine; the page fetches nothing."""
    with suppress(ValueError, ImportError):
        return measure.make(Context())
    return None
