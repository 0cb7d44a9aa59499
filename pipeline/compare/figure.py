"""One figure for print: chosen test pictures by LR, bicubic, each experiment, HR."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.compare.runs import PublishedRun, kept_by_all
from pipeline.compare.tradeoff import AXES, measure_of_all
from pipeline.stage import StageError, artifacts
from pipeline.stage.paths import HELD_OUT
from srcnn import figures
from srcnn.figures import Reconstructed
from srcnn.pictures import images
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
    kept = kept_by_all(runs)
    if unknown := [id_ for id_ in ids if id_ not in kept]:
        raise StageError(
            f"--pictures: {', '.join(unknown)} is not among the pictures that all of these "
            f"experiments keep; they keep {', '.join(kept)}"
        )
    scores = [run.results.of_set(HELD_OUT) for run in runs]
    taken = [set(score.sr) for of_run in scores for score in of_run.values()]
    measure = measure_of_all(runs, [axis for axis in AXES if all(axis.name in of for of in taken)])
    rows = []
    for id_ in ids or list(kept)[:2]:
        first = kept[id_][0].png
        captions = _captions(scores[0][id_].bicubic, measure)
        row = {
            "LR": Reconstructed(images.decode(first["lr"]), (id_, "")),
            "bicubic": Reconstructed(images.decode(first["bicubic"]), captions),
        }
        for run, of_run, picture in zip(runs, scores, kept[id_], strict=True):
            captions = _captions(of_run[id_].sr, measure)
            name = run.label if run.name in row else run.name
            row[name] = Reconstructed(images.decode(picture.png["sr"]), captions)
        row["HR"] = Reconstructed(images.decode(first["hr"]), ("PSNR in dB / SSIM", measure.title))
        rows.append(row)
    drawn = figures.side_by_side(rows, runs[0].results.evaluation["scale"])
    artifacts.write_bytes(output, figures.encoded(drawn, output.suffix.lower()[1:]))


def _captions(values: Mapping[str, float], measure: Measure) -> tuple[str, str]:
    fidelity = " / ".join(each.number(values[each.name]) for each in (PSNR, SSIM))
    return fidelity, measure.number(values[measure.name])
