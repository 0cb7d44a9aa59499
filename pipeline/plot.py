"""Stage plot: the figures of the experiment and chosen test pictures, from all its results."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.numpy import load_file

from pipeline import stage
from pipeline.check import check_threads
from pipeline.stage import artifacts, paths
from pipeline.stage.params import Params
from pipeline.stage.record import Trained
from srcnn import figures
from srcnn.data.pairs import Pairs
from srcnn.data.splits import evenly_spaced
from srcnn.hardware import make_deterministic
from srcnn.inference.resolver import SuperResolver, bicubic
from srcnn.scoring.measures import PSNR
from srcnn.scoring.scores import Score, read_scores

# Every run keeps its pictures in MLflow, so their number and size are bounded.
_CHOSEN = 12
_LARGEST_SIDE = 512  # pixels of HR


def main(params: Params) -> None:
    """Draw all figures into figures/ and reconstruct chosen test pictures into reconstructions/.

    Raises:
        StageError: the results of an earlier stage are not there.
    """
    check_threads(params.machine.threads)
    make_deterministic(params.machine.threads)
    with artifacts.reading(paths.PAIRS):
        test = Pairs.open(paths.PAIRS).split(paths.HELD_OUT)
    with artifacts.reading(paths.SNAPSHOTS):
        snapshots = load_file(paths.SNAPSHOTS)
    with artifacts.reading(paths.EVALUATION):
        evaluation = json.loads(paths.EVALUATION.read_text(encoding="utf-8"))
        loss = evaluation["loss"]
        gain = evaluation["psnr_source_gain"], evaluation["psnr_source_gain_ci95"]
    trained = Trained.read(paths.TRAINED, paths.WEIGHTS, paths.TRAINING_CURVE)
    resolver = SuperResolver.load(paths.WEIGHTS)
    curve = pd.read_csv(paths.TRAINING_CURVE)
    with artifacts.reading(paths.PER_IMAGE):
        scores = read_scores(paths.PER_IMAGE).get(paths.HELD_OUT, [])
        if [score.id for score in scores] != test.ids:
            raise ValueError("it does not list the pictures of the test split")

    scale, luma = test.scale, test.luma
    gains = np.array([score.gain(PSNR) for score in scores])
    examples = _examples(scores, gains, test, resolver)
    columns = {str(name): column.to_numpy(float) for name, column in curve.items()}
    drawn = {
        "curves": figures.curves(columns, int(trained.best["step"]), luma, loss),
        "reconstructions": figures.reconstructions(examples, scale, luma, loss),
        "snapshots": figures.snapshots(**snapshots, scale=scale, luma=luma, loss=loss),
        "gain_histogram": figures.gain_histogram(gains, *gain, luma, scale, loss),
    }
    with artifacts.whole_folder(paths.FIGURES) as folder:
        for name, figure in drawn.items():
            (folder / f"{name}.png").write_bytes(figures.encoded(figure))
    with artifacts.whole_folder(paths.RECONSTRUCTIONS) as folder:
        _reconstruct(test, resolver, folder)


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


def _reconstruct(test: Pairs, resolver: SuperResolver, folder: Path) -> None:
    """Write LR, bicubic, SR and HR of test pictures evenly spaced over the sorted ids.

    These are the same pictures for every experiment on the same data. Of larger ones it is the
    middle.
    """
    order = sorted(range(len(test)), key=lambda i: test.ids[i])
    largest = _LARGEST_SIDE // test.scale  # of LR
    index = []
    for k, i in enumerate(order[place] for place in evenly_spaced(len(order), _CHOSEN)):
        lr = test.lr(i)
        starts = [max(side - largest, 0) // 2 for side in lr.shape]
        kinds = {"lr": lr, "bicubic": bicubic(lr, test.scale), "sr": resolver(lr), "hr": test.hr(i)}
        for kind, picture in kinds.items():
            factor = 1 if kind == "lr" else test.scale
            rows, columns = (slice(at * factor, (at + largest) * factor) for at in starts)
            Image.fromarray(picture[rows, columns]).save(folder / f"{k:02d}-{kind}.png")
        whole = max(lr.shape) <= largest
        index.append({"file": f"{k:02d}", "id": test.ids[i], "whole": whole})
    artifacts.write_json(folder / "index.json", index)


if __name__ == "__main__":
    stage.run(main, "plot")
