"""One figure for print: chosen test pictures by LR, bicubic, each experiment, HR."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.compare.runs import PublishedRun
from pipeline.compare.tradeoff import AXES
from pipeline.stage import StageError, artifacts
from pipeline.stage.paths import HELD_OUT
from srcnn import figures
from srcnn.figures import Reconstructed
from srcnn.scoring.measures import PSNR, SSIM, Measure

FORMATS = (".pdf", ".png", ".svg")


def write(output: Path, runs: Sequence[PublishedRun], ids: Sequence[str]) -> None:
    """Draw test pictures that all experiments keep, and write the figure.

    Args:
        output: the file; its suffix names the format, one of FORMATS.
        runs: the experiments.
        ids: of the pictures; none: the first two.

    Raises:
        StageError: not all experiments keep one of the pictures.
    """
    pictures = [{picture.id: picture for picture in run.results.pictures} for run in runs]
    common = [id_ for id_ in pictures[0] if all(id_ in of for of in pictures)]
    if unknown := [id_ for id_ in ids if id_ not in common]:
        raise StageError(
            f"--pictures: {', '.join(unknown)} is not among the pictures that all of these "
            f"experiments keep; they keep {', '.join(common)}"
        )
    measure = _naturalness(runs)
    rows = []
    for id_ in ids or common[:2]:
        first = pictures[0][id_].png
        of_bicubic = runs[0].results.of_set(HELD_OUT)[id_].bicubic
        row = {
            "LR": Reconstructed(_pixels(first["lr"]), (id_, "")),
            "bicubic": Reconstructed(_pixels(first["bicubic"]), _captions(of_bicubic, measure)),
        }
        for run, of in zip(runs, pictures, strict=True):
            captions = _captions(run.results.of_set(HELD_OUT)[id_].sr, measure)
            row[run.name] = Reconstructed(_pixels(of[id_].png["sr"]), captions)
        row["HR"] = Reconstructed(_pixels(first["hr"]), ("PSNR in dB / SSIM", measure.title))
        rows.append(row)
    drawn = figures.side_by_side(rows, runs[0].results.evaluation["scale"])
    artifacts.write_bytes(output, figures.encoded(drawn, output.suffix.lower()[1:]))


def _naturalness(runs: Sequence[PublishedRun]) -> Measure:
    """The trade-off's first axis that all have; all have GMSD."""
    scores = [score for run in runs for score in run.results.of_set(HELD_OUT).values()]
    return next(axis for axis in AXES if all(axis.name in score.sr for score in scores))


def _captions(values: Mapping[str, float], measure: Measure) -> tuple[str, str]:
    fidelity = " / ".join(each.number(values[each.name]) for each in (PSNR, SSIM))
    return fidelity, measure.number(values[measure.name])


def _pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)
