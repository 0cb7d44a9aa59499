"""Stage grayscale-and-degrade: raw pictures to luma, to HR/LR pairs, split by source picture."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline import stage
from pipeline.check import before_grayscale_and_degrade
from pipeline.data import raw
from pipeline.data.parallel import in_order
from pipeline.data.picture_source import RawPicture
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import params_of
from pipeline.stage.params import Params
from pipeline.stage.record import Degraded, Fetched
from srcnn.data.degradation import Degradation, picture_rng
from srcnn.data.imresize import crop_to_multiple
from srcnn.data.pairs import Pairs, writing_pairs
from srcnn.data.splits import SPLITS
from srcnn.pictures import images
from srcnn.progress import progress


def main(params: Params) -> None:
    """Write the pairs of every raw picture and count them in metrics/data.json.

    Raises:
        StageError: a picture is too small for the scale or for the training patches, or a split
            would be empty; all of this is known from the raw index, before any picture is decoded.
            Or what `fetch` wrote is damaged.
    """
    fetched = Fetched.read(paths.FETCHED)
    entries = raw.index(paths.RAW)
    before_grayscale_and_degrade(entries, params)
    planned = [replace(entry, split=raw.split(entry, params.data)) for entry in entries]
    _write_pairs(planned, params)
    artifacts.write_json(paths.DATA_METRICS, _summary(planned, fetched))
    own = params_of("grayscale-and-degrade", params)
    pairs = Pairs.open(paths.PAIRS)
    Degraded(params=fetched.params | own, pairs=pairs.digest).write(paths.DEGRADED)


def _write_pairs(planned: Sequence[raw.Entry], params: Params) -> None:
    degrade = params.degrade
    degradation = Degradation(
        degrade.scale, degrade.blur_sigma, degrade.noise_sigma, degrade.jpeg_quality
    )

    def pair(picture: RawPicture) -> tuple[np.ndarray, np.ndarray]:
        hr = images.decode_luma(picture.data, degrade.luma)
        hr = crop_to_multiple(hr, degrade.scale)
        return hr, degradation(hr, picture_rng(params.seed, picture.id))

    pictures = progress(raw.read(paths.RAW), "degrade", len(planned), "picture")
    with (
        artifacts.whole_folder(paths.PAIRS) as folder,
        writing_pairs(folder, degrade.scale, degrade.luma) as add,
    ):
        pairs = in_order(pair, pictures, params.machine.workers)
        for picture, (hr, lr) in zip(planned, pairs, strict=True):
            add(picture.id, picture.source, picture.split, hr, lr)


def _summary(planned: Sequence[raw.Entry], fetched: Fetched) -> dict[str, object]:
    pictures = Counter(entry.split for entry in planned)
    sources = Counter(split for _, split in {(entry.source, entry.split) for entry in planned})
    skipped = [file for file, _ in raw.skipped(paths.RAW)]
    return {
        "source": fetched.source,
        "revision": fetched.revision,
        "pictures": {split: pictures[split] for split in SPLITS},
        "sources": {split: sources[split] for split in SPLITS},
        # Not an empty list, of which `dvc plots` complains.
        "unreadable": {"count": len(skipped), "files": skipped or None},
    }


if __name__ == "__main__":
    stage.run(main, "grayscale-and-degrade")
