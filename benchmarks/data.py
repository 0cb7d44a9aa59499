"""Pictures a second of the two data stages, beside decoding alone and `Dataset.map`.

    python -m benchmarks.data [--pictures FOLDER] [--count 2000] [--workers 1 2]

The pictures are those of a folder, or 256x256 PNG files that are generated. Each stage runs in
this process, on files that the operating system has in memory; the share is that of decoding every
picture with Pillow in one thread. The usual way is Hugging Face's `Dataset.map` with a function
that makes each picture gray; `datasets` encodes what it returns as PNG again.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from datasets import Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image

from benchmarks.faults import memory
from benchmarks.faults import project as faults
from pipeline import fetch, grayscale_and_degrade
from pipeline.base import params


def main() -> None:
    """Print a row for decoding, for each stage and number of workers, and for `Dataset.map`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="a folder of pictures")
    parser.add_argument("--count", type=int, default=2000, help="of generated pictures")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.pictures
        if folder is None:
            folder = Path(name, "pictures")
            folder.mkdir()
            memory.generate(folder, options.count)
        folder = folder.resolve()
        files = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
        project = faults.clone(Path(name, "project"))
        os.chdir(project.folder)
        decoding = _seconds(lambda: _decode(files))
        print("| | pictures/s | decoding's share |\n| --- | --- | --- |")
        _print("decoding alone, Pillow, one thread", decoding, decoding, files)
        for workers in options.workers:
            data = {"source": "folder", "path": str(folder), "workers": workers}
            faults.change(project, data=data)
            given = params.load()
            for stage in (fetch, grayscale_and_degrade):
                title = f"{stage.__name__.partition('.')[2]}, workers {workers}"
                _print(title, _seconds(partial(stage.main, given)), decoding, files)
        _print("Dataset.map", _seconds(lambda: _map(files)), decoding, files)


def _print(title: str, seconds: float, decoding: float, files: Sequence[bytes]) -> None:
    print(f"| {title} | {len(files) / seconds:.0f} | {decoding / seconds:.0%} |", flush=True)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _decode(files: Sequence[bytes]) -> None:
    for file in files:
        Image.open(io.BytesIO(file)).load()


def _map(files: Sequence[bytes]) -> None:
    rows = {"image": [{"bytes": file, "path": None} for file in files]}
    source = Dataset.from_dict(rows, features=Features({"image": ImageFeature()}))
    with tempfile.TemporaryDirectory() as cache:
        source.map(
            lambda row: {"image": row["image"].convert("L")},
            cache_file_name=str(Path(cache, "mapped.arrow")),
        )


if __name__ == "__main__":
    main()
