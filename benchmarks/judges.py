"""What each measure sees and is fooled by: originals and bicubic, damaged more and more; networks.

    python -m benchmarks.judges [--pairs data/pairs] [--pictures 20] [MODEL ...]

Of some test pictures of the pairs, a border of `scale` pixels left out: the mean of every measure
of the table that can be taken here. In brackets: in what share of the pictures it finds the picture
better than what was damaged; of the first network, than bicubic; of further ones, than the first.
What is natural is fitted to the training pictures, as by `evaluate`. Without MODEL: the package's.
"""

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from pipeline.scoring.available import natural
from srcnn.data.imresize import round_to_uint8
from srcnn.data.pairs import Pairs
from srcnn.data.splits import evenly_spaced
from srcnn.hardware import make_deterministic
from srcnn.inference import packaged
from srcnn.inference.resolver import SuperResolver, bicubic
from srcnn.scoring.classical import shave
from srcnn.scoring.measures import MEASURES, Context, Function, Measure
from srcnn.scoring.protocol import measured

Damage = Callable[[np.ndarray, float], np.ndarray]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, default=Path("data/pairs"))
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("models", type=Path, nargs="*", help=".safetensors files of the same scale")
    options = parser.parse_args()
    make_deterministic(1)
    pairs = Pairs.open(options.pairs)
    models = options.models or [packaged.file(packaged.reference(pairs.scale))]
    test = pairs.split("test")
    test = test.select(evenly_spaced(len(test), options.pictures))
    functions = dict(_functions(pairs))
    print(f"{len(test)} test pictures, x{pairs.scale}, {pairs.luma} luma\n")
    print("| |", *(f"{measure.title} {measure.arrow} |" for measure in functions))
    print("| --- |" + " --- |" * len(functions))
    scores: dict[str, list[dict[str, float]]] = {}
    for title, before, pictures in _rows(test, models):
        scores[title] = [
            measured(shave(sr, pairs.scale), shave(test.hr(i), pairs.scale), pairs.luma, functions)
            for i, sr in enumerate(pictures)
        ]
        cells = (_cell(measure, scores[title], scores.get(before)) for measure in functions)
        print(f"| {title} |", *cells, flush=True)


def _functions(pairs: Pairs) -> Iterator[tuple[Measure, Function]]:
    context = Context(scale=pairs.scale, natural=natural(pairs), luma=pairs.luma)
    for measure in MEASURES.values():
        try:
            yield measure, measure.make(context)
        except (ValueError, ImportError) as error:
            print(f"Without {measure.title}: {error}")


def _cell(
    measure: Measure,
    scores: Sequence[dict[str, float]],
    before: Sequence[dict[str, float]] | None,
) -> str:
    values = np.array([score[measure.name] for score in scores])
    text = measure.number(values.mean())
    if before:
        gains = measure.gain(values, np.array([score[measure.name] for score in before]))
        text += f" ({np.mean(gains > 0):.0%})"
    return f"{text} |"


def _rows(pairs: Pairs, models: Sequence[Path]) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """Titles; those of the row to compare with; and the picture that each test picture becomes."""
    lrs, hrs = ([of(i) for i in range(len(pairs))] for of in (pairs.lr, pairs.hr))
    enlarged = [bicubic(lr, pairs.scale) for lr in lrs]
    yield "original", "", hrs
    for title, damage, steps in _ladders(pairs.scale):
        for step in steps:
            yield f"{title} {step:g}", "original", _damaged(hrs, damage, step)
    for share in (0.25, 0.5, 0.75):
        mixed = [(1 - share) * hr + share * sr for hr, sr in zip(hrs, enlarged, strict=True)]
        yield f"{share:g} bicubic", "original", [round_to_uint8(each) for each in mixed]
    yield "bicubic", "original", enlarged
    for title, damage, steps in _ladders(pairs.scale)[:3]:
        for step in steps:
            yield f"bicubic, {title} {step:g}", "bicubic", _damaged(enlarged, damage, step)
    for model in models:
        resolver = SuperResolver.load(model)
        before = "bicubic" if model == models[0] else models[0].stem
        yield model.stem, before, [resolver(lr) for lr in lrs]


def _ladders(scale: int) -> list[tuple[str, Damage, Sequence[float]]]:
    """Damages with their steps; first those that might pass for detail."""
    return [
        ("noise of sigma", _noise, (1, 2, 5, 10)),
        ("sharpened by", _sharpen, (0.5, 1, 2)),
        (f"lattice of period {scale}, amplitude", _lattice(scale), (1, 2, 4, 8)),
        ("blur of sigma", gaussian_filter, (0.5, 1, 2)),
        ("JPEG of quality", _jpeg, (90, 60, 30)),
        ("edges doubled at pixels", _double, (1, 2, 3)),
    ]


def _damaged(pictures: Sequence[np.ndarray], damage: Damage, step: float) -> list[np.ndarray]:
    return [round_to_uint8(damage(picture.astype(np.float64), step)) for picture in pictures]


def _noise(picture: np.ndarray, sigma: float) -> np.ndarray:
    return picture + np.random.default_rng(0).normal(0, sigma, picture.shape)


def _sharpen(picture: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp masking, which leaves rings along edges."""
    return picture + amount * (picture - gaussian_filter(picture, 1.5))


def _lattice(scale: int) -> Damage:
    def add(picture: np.ndarray, amplitude: float) -> np.ndarray:
        rows, columns = (np.cos(2 * np.pi * np.arange(n) / scale) for n in picture.shape)
        return picture + amplitude / 2 * (rows[:, None] + columns)

    return add


def _jpeg(picture: np.ndarray, quality: float) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file), dtype=np.float64)


def _double(picture: np.ndarray, distance: float) -> np.ndarray:
    return (picture + np.roll(picture, int(distance), axis=1)) / 2


if __name__ == "__main__":
    main()
