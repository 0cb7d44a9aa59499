"""Pictures of a run for MLflow's image charts, which set runs side by side under a slider of steps.

What the network makes of training and validation pictures at steps of the training, bicubic and HR:
at each of the steps, as what has no picture at the slider's step is shown as missing.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Run
from PIL import Image, ImageOps
from safetensors.numpy import load_file

from pipeline.stage import artifacts, paths

_SHOWN = 256  # pixels of a picture in the grid, where MLflow does not enlarge it


def names() -> list[str]:
    """Of the pictures, in the order in which they are to be seen: picture by picture."""
    return list(dict.fromkeys(name for name, _ in _pictures()))


@contextmanager
def drawn(run: Run) -> Iterator[Path]:
    """A folder `images` with all of them as MLflow's pages look for them, while the block runs.

    MlflowClient.log_image gives each picture a new random name, and so would log it twice. Here are
    the names that it gives, without chance.
    """
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "images")
        folder.mkdir()
        for (name, step), picture in _pictures().items():
            file = f"{name}+step+{step}+timestamp+{run.info.start_time}+srcnn"
            picture.save(folder / f"{file}.png")
            shown = ImageOps.scale(picture, _SHOWN // picture.width or 1, Image.Resampling.NEAREST)
            shown.save(folder / f"{file}+compressed.webp", lossless=True)
        yield folder


def _pictures() -> dict[tuple[str, int], Image.Image]:
    """By name and step."""
    with artifacts.reading(paths.SNAPSHOTS):
        snapshots = load_file(paths.SNAPSHOTS)
    pictures = {}
    seen: Counter[str] = Counter()
    for i, learned in enumerate(snapshots["in_training"]):
        split = "training" if learned else "validation"
        seen[split] += 1
        name = f"{split} {seen[split]}"
        for step, sr in zip(snapshots["steps"].tolist(), snapshots["sr"], strict=True):
            pictures[f"{name} SR", step] = sr[i]
            pictures[f"{name} bicubic", step] = snapshots["bicubic"][i]
            pictures[f"{name} HR", step] = snapshots["hr"][i]
    return {key: Image.fromarray(pixels) for key, pixels in pictures.items()}
