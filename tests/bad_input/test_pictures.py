"""Pictures for `srcnn upscale` and the stage fetch: taken whole, or named in one message."""

import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import fetch
from pipeline.data import raw
from srcnn.command.cli import main
from tests.bad_input.pictures import BROKEN, DAMAGED, PIXELS, WHOLE
from tests.models import model_file


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(model_file(tmp_path_factory.mktemp("model")))


def upscale(run, model, content, *options):
    Path("odd.png").write_bytes(content)
    return run(main, ["upscale", "odd.png", "-o", "large.png", "--model", model, *options])


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_whole_pictures_are_enlarged(run, model, content):
    outcome = upscale(run, model, content)
    assert (outcome.code, outcome.made) == (0, ["large.png"])
    assert Image.open("large.png").size == (66, 48)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_pictures_are_named_and_give_nothing(run, model, content):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = upscale(run, model, content)
    assert outcome.said.count("odd.png") == 1
    assert outcome.is_one_error("odd.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kB"


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_pictures_are_enlarged_whole_or_named(run, model, content):
    outcome = upscale(run, model, content, "--compare")
    if outcome.code:
        assert outcome.is_one_error("odd.png")
    else:
        assert outcome.is_clean()
        assert outcome.made == ["large.png", "large_compare.png"]
        Image.open("large.png").load()


def write_all(folder, contents):
    folder.mkdir()
    for i, content in enumerate(contents):
        (folder / f"{i:03d}.png").write_bytes(content)


def test_in_a_folder_the_broken_ones_are_listed_and_the_others_done(run, model):
    write_all(Path("all"), [*WHOLE.values(), *BROKEN.values()])
    outcome = run(main, ["upscale", "all", "-o", "large", "--model", model])
    assert outcome.code == 1
    assert outcome.is_clean()
    assert outcome.said.count("ERROR: ") == len(BROKEN)
    assert len(outcome.made) == len(WHOLE)


FRAMES = {"pages", "animation", "animated png"}  # of which fetch takes the first


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - FRAMES))
def test_fetch_names_the_broken_picture(project, name):
    write_all(Path("photos"), [WHOLE["jpeg"], BROKEN[name]])
    outcome = project(fetch, "fetch", **{"data.source": "folder", "data.path": "photos"})
    assert outcome.is_one_error("001.png")


def test_fetch_skips_and_lists_the_broken_ones_if_asked(project):
    contents = [*WHOLE.values(), *BROKEN.values(), *DAMAGED.values()]
    write_all(Path("photos"), contents)
    folder = {"data.source": "folder", "data.path": "photos", "data.skip_unreadable": True}
    outcome = project(fetch, "fetch", **folder)
    assert outcome.code == 0
    assert outcome.is_clean()
    read, skipped = list(raw.read(Path("data/raw"))), raw.skipped(Path("data/raw"))
    assert len(read) + len(skipped) == len(contents)
    assert len(skipped) >= len(BROKEN) - len(FRAMES)
    assert {picture.id for picture in read} >= {f"{i:03d}.png" for i in range(len(WHOLE))}


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif", ".png"])
@pytest.mark.parametrize("size", [(1, 1), (1, 16), (24, 1), (2, 3)])
def test_tiny_pictures_are_enlarged_too(run, model, suffix, size):
    Image.fromarray(PIXELS[: size[0], : size[1], 0].repeat(2, axis=1)).save(f"tiny{suffix}")
    outcome = run(main, ["upscale", f"tiny{suffix}", "-o", f"large{suffix}", "--model", model])
    assert outcome.code == 0
    assert np.asarray(Image.open(f"large{suffix}")).shape[0] == 2 * size[0]
