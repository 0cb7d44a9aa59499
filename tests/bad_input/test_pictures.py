"""Pictures that are odd, broken or made up: read whole, or named in one message."""

import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import raw
from srcnn.pictures import images, reader
from srcnn.pictures.images import UnreadableImage
from tests.bad_input.pictures import BROKEN, PIXELS, WHOLE


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures_are_refused_in_little_memory(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (reader.read, images.decode):
        with pytest.raises(UnreadableImage) as caught:
            read(BROKEN[name])
        assert 0 < len(str(caught.value)) < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kB"


def test_in_a_folder_the_broken_ones_are_listed_and_the_others_done(upscale, fetched):
    Path("photos").mkdir()
    for i, content in enumerate([*WHOLE.values(), *BROKEN.values()]):
        Path(f"photos/{i:03d}.png").write_bytes(content)
    outcome = upscale("photos", "-o", "large")
    assert outcome.code == 1
    assert outcome.is_clean()
    assert outcome.said.count("ERROR: ") == len(BROKEN)
    assert len(outcome.made) == len(WHOLE)
    assert {Image.open(name).size for name in outcome.made} == {(66, 48)}

    outcome = fetched(**{"data.skip_unreadable": True})
    assert outcome.code == 0
    assert outcome.is_clean()
    assert len(list(raw.read(Path("data/raw")))) == len(WHOLE)
    assert len(raw.skipped(Path("data/raw"))) == len(BROKEN)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif", ".png"])
def test_tiny_pictures_are_enlarged_too(upscale, suffix):
    for height, width in ((1, 1), (1, 16), (24, 1), (2, 3)):
        Image.fromarray(PIXELS[:height, :width, 0].copy()).save(f"tiny{suffix}")
        assert upscale(f"tiny{suffix}", "-o", f"large{suffix}", "--overwrite").code == 0
        large = np.asarray(Image.open(f"large{suffix}"))
        assert large.shape[:2] == (2 * height, 2 * width)
