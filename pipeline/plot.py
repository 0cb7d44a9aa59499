"""Stage plot: the figures of the experiment, from its metrics, its model and its pictures."""

import csv
import json
from dataclasses import fields

import numpy as np
from safetensors.numpy import load_file

from pipeline import artifacts, paths, stage
from pipeline.evaluate import HELD_OUT
from pipeline.params import Params
from srcnn import figures
from srcnn.evaluation import Score
from srcnn.inference import SuperResolver, bicubic
from srcnn.pairs import Pairs
from srcnn.training import make_deterministic


def main(params: Params) -> None:
    """Draw all figures into the folder figures/.

    Raises:
        StageError: the results of an earlier stage are not there.
    """
    make_deterministic(params.train.threads)
    try:
        test = Pairs.open(paths.PAIRS).split(HELD_OUT)
        resolver = SuperResolver.load(paths.WEIGHTS)
        film = load_file(paths.SNAPSHOTS)
        evaluation = json.loads(paths.EVALUATION.read_text(encoding="utf-8"))
        curve, scores = _read_curve(), _read_scores()
    except (FileNotFoundError, ValueError) as error:
        raise stage.StageError(f"{error}; `dvc repro` makes what is missing") from None

    scale, luma = test.scale, test.luma
    gains = np.array([score.gain("psnr") for score in scores])
    examples = _examples(scores, gains, test, resolver)
    drawn = {
        "curves": figures.curves(curve, luma),
        "reconstructions": figures.reconstructions(examples, scale, luma),
        "filmstrip": figures.filmstrip(
            film["steps"], film["sr"], film["bicubic"], film["hr"], scale, luma
        ),
        "gain_histogram": figures.gain_histogram(gains, evaluation["psnr_gain_ci95"], luma, scale),
    }
    with artifacts.whole_folder(paths.FIGURES) as folder:
        for name, figure in drawn.items():
            (folder / f"{name}.png").write_bytes(figures.png(figure))


def _read_curve() -> dict[str, np.ndarray]:
    with paths.TRAINING_CURVE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def _read_scores() -> list[Score]:
    """The scores of the held-out pictures, in the order of the test split."""
    with paths.PER_IMAGE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == HELD_OUT]
    return [
        Score(**{field.name: field.type(row[field.name]) for field in fields(Score)})
        for row in rows
    ]


def _examples(
    scores: list[Score], gains: np.ndarray, test: Pairs, resolver: SuperResolver
) -> list[figures.Example]:
    """The pictures with the highest, the median and the lowest gain, as far as they differ."""
    order = np.argsort(-gains, kind="stable")
    chosen = {order[len(order) // 2]: "median", order[-1]: "worst", order[0]: "best"}
    return [
        figures.Example(
            title=f"{chosen[i]}: {gains[i]:+.2f} dB",
            lr=test.lr(i),
            baseline=bicubic(test.lr(i), test.scale),
            sr=resolver(test.lr(i)),
            hr=test.hr(i),
            score=scores[i],
        )
        for i in order
        if i in chosen
    ]


if __name__ == "__main__":
    stage.run(main)
