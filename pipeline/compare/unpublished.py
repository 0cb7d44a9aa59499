"""Contestants that no run holds: pictures of another upscaler, and blends of two networks.

They are scored here, on the test pictures of data/pairs, which must be those of the experiments.
"""

import io
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.check import check_machine
from pipeline.compare.runs import PublishedRun, Reconstruction, Results
from pipeline.scoring.available import find_measures
from pipeline.stage import StageError, artifacts, paths
from pipeline.stage.params import Params
from srcnn.data.pairs import Pairs
from srcnn.data.splits import evenly_spaced
from srcnn.hardware import choose_device, make_deterministic
from srcnn.inference import model_files
from srcnn.inference.resolver import to_uint8
from srcnn.pictures import files, images
from srcnn.pictures.samples import UnreadableImage
from srcnn.progress import progress
from srcnn.scoring.measures import MEASURES, Measure
from srcnn.scoring.protocol import score_pairs

_PIXEL_LOSS = {"loss.perceptual_weight": "0", "loss.adversarial_weight": "0"}


def from_folder(name: str, folder: Path, beside: PublishedRun, params: Params) -> PublishedRun:
    """What another upscaler made of the test pictures.

    Args:
        name: what to call it.
        folder: its pictures, named as the test pictures in metrics/per_image.csv, with the suffix
            of a picture; of HR size; of color pictures the luma counts.
        beside: an experiment on the same data.
        params: for the measures.

    Raises:
        StageError: a picture is missing, unreadable or of another size, or data/pairs are not those
            of the experiment.
    """
    pairs = _pairs(beside)
    test = pairs.split(paths.HELD_OUT)
    picture_files = {id_: _file(folder, id_) for id_ in test.ids}
    missing = [id_ for id_, file in picture_files.items() if file is None]
    if missing:
        raise StageError(
            f"{folder} lacks {len(missing)} of {len(test)} test pictures: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; a file's name is the "
            f"id in {paths.PER_IMAGE} and one of {' '.join(files.SUFFIXES)}"
        )
    pictures = (
        _read(file, test.hr(i).shape, test.luma)
        for i, file in enumerate(picture_files.values())
        if file
    )
    about = _PIXEL_LOSS | {"loss": f"pictures in {folder}"}
    return _scored(name, about, pictures, pairs, beside, params)


def blend(
    a: PublishedRun,
    b: PublishedRun,
    share: float,
    params: Params,
    measures: Collection[Measure] = tuple(MEASURES.values()),
) -> PublishedRun:
    """The mean of what two experiments' networks make of the test pictures.

    See Freirich et al. (NeurIPS 2021, arXiv:2107.02555): the line between the estimate of least
    error and a natural one is the best trade-off of both.

    Args:
        a: an experiment.
        b: another on the same data.
        share: of b, 0 to 1.
        params: for the measures.
        measures: those to take.

    Raises:
        StageError: a model is not there, or data/pairs are not those of the experiments.
    """
    pairs = _pairs(a)
    if b.data != a.data:
        raise StageError(f"{a.label} and {b.label} are of different data: they have no blend")
    device = params.machine.device
    try:
        first, second = (model_files.load(f"runs:/{run.run_id}", device).resolver for run in (a, b))
    except ValueError as error:
        raise StageError(str(error)) from None
    test = pairs.split(paths.HELD_OUT)
    lrs = (test.lr(i) for i in range(len(test)))
    pictures = (to_uint8((1 - share) * first(lr) + share * second(lr)) for lr in lrs)
    title = f"{1 - share:g} {a.name} + {share:g} {b.name}"
    about = dict(b.params) | {"loss": f"blend: {title}"}
    return _scored(title, about, pictures, pairs, a, params, measures)


def _pairs(run: PublishedRun) -> Pairs:
    with artifacts.reading(paths.PAIRS):
        pairs = Pairs.open(paths.PAIRS)
    if not pairs.digest.startswith(run.data):
        raise StageError(
            f"{paths.PAIRS} are not the pictures that {run.label} was tested on; `dvc repro "
            "grayscale-and-degrade` with its parameters makes them"
        )
    return pairs


def _file(folder: Path, id_: str) -> Path | None:
    names = [id_, *(f"{id_}{suffix}" for suffix in files.SUFFIXES)]
    names += [f"{Path(id_).with_suffix(suffix)}" for suffix in files.SUFFIXES]
    candidates = (folder / name for name in names if name.lower().endswith(files.SUFFIXES))
    return next((file for file in candidates if file.is_file()), None)


def _read(file: Path, shape: tuple[int, ...], luma_range: str) -> np.ndarray:
    try:
        picture = images.decode_luma(file.read_bytes(), luma_range)
    except (OSError, UnreadableImage) as error:
        raise StageError(f"{file} cannot be read: {error}") from None
    if picture.shape != shape:
        (height, width), (high, wide) = picture.shape, shape
        raise StageError(f"{file} is {width}x{height}; the test picture is {wide}x{high}")
    return picture


def _scored(
    name: str,
    about: dict[str, str],
    pictures: Iterable[np.ndarray],
    pairs: Pairs,
    beside: PublishedRun,
    params: Params,
    measures: Collection[Measure] = tuple(MEASURES.values()),
) -> PublishedRun:
    """A contestant as a run would hold it: one that is beside it, with other scores and pictures.

    Args:
        name: what to call it.
        about: parameters that are not those of the run; "loss" is what stands in its place.
        pictures: SR of the test pictures, in their order.
        pairs: what the test pictures are of.
        beside: the run.
        params: for the measures.
        measures: those to take.
    """
    check_machine(params.machine)
    make_deterministic(params.machine.threads)
    device = choose_device(params.machine.device)
    available = find_measures(params.loss, params.evaluate, device, pairs).functions
    functions = {measure: available[measure] for measure in measures if measure in available}
    test = pairs.split(paths.HELD_OUT)
    sample = set(evenly_spaced(len(test), params.evaluate.perceptual_pictures))
    kept = {each.id: each for each in beside.results.pictures}

    def watched() -> Iterator[np.ndarray]:
        for id_, sr in zip(test.ids, pictures, strict=True):
            if id_ in kept:
                kept[id_] = _like(kept[id_], sr, test.scale)
            yield sr

    scoring = score_pairs(watched(), test, functions, sample)
    scores = {score.id: score for score in progress(scoring, f"score {name}", len(test), "picture")}
    weights = {f"{m.name}_weights": f.weights for m, f in functions.items() if f.weights}
    results = Results(
        dict(beside.results.evaluation) | {"loss": about["loss"]} | weights,
        {paths.HELD_OUT: scores},
        pd.DataFrame(),
        list(kept.values()),
    )
    means = {
        f"test/{measure.name}": float(np.mean([score.sr[measure.name] for score in taken.values()]))
        for measure in functions
        if (taken := results.taken(paths.HELD_OUT, measure))
    }
    return PublishedRun(
        run_id="",
        name=name,
        params=dict(beside.params) | about,
        tags={"data.pairs": beside.data},
        metrics=means,
        read_results=lambda: results,
    )


def _like(reconstruction: Reconstruction, sr: np.ndarray, scale: int) -> Reconstruction:
    """The same part of the same picture, as this one shows it."""
    height, width = images.decode(reconstruction.png["hr"]).shape
    top, left = (
        (whole - part) // scale // 2 * scale
        for whole, part in zip(sr.shape, (height, width), strict=True)
    )
    file = io.BytesIO()
    Image.fromarray(sr[top : top + height, left : left + width]).save(file, "PNG")
    return replace(reconstruction, png=dict(reconstruction.png) | {"sr": file.getvalue()})
