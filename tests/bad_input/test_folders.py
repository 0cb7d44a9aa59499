"""Folders and file names, for the stage fetch, the test sets and `srcnn upscale`."""

import os
from pathlib import Path

import pytest

from pipeline import check, evaluate
from srcnn.command.cli import main
from tests.bad_input.pictures import BROKEN, WHOLE
from tests.support.pictures import png

PNG = WHOLE["png rgb"]

# What lies where: a file's content, a link's target, or None for a folder.
FOLDERS = {
    "nothing": {},
    "a file": {"photos": PNG},
    "texts": {"photos/notes.txt": b"notes"},
    "hidden": {"photos/.cache/a.png": PNG, "photos/.a.png": PNG},
    "folders with a picture's name": {"photos/a.png": None},
    "broken links": {"photos/a.png": "nowhere.png"},
    "links to each other": {"photos/a.png": "b.png", "photos/b.png": "a.png"},
    "a broken picture": {"photos/a.png": BROKEN["png bomb"]},
}


def make(there):
    for name, content in there.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)


@pytest.mark.parametrize("kind", FOLDERS)
def test_folders_without_a_picture_are_named(fetched, project, upscale, kind):
    make(FOLDERS[kind])
    outcome = fetched(**{"data.skip_unreadable": True})
    assert outcome.is_one_error("data.")
    assert "photos" in outcome.said or "no picture that can be read" in outcome.said
    assert not Path("data/raw").exists()
    for module, name in ((check, None), (evaluate, "evaluate")):
        outcome = project(module, name, **{"evaluate.test_sets": {"S": "photos"}})
        assert outcome.is_one_error("evaluate.test_sets.S", "photos")
    outcome = upscale("photos", "-o", "large")
    if kind == "a file":  # a picture, whatever its name
        assert (outcome.code, outcome.made) == (0, ["large/photos.png"])
    else:
        assert outcome.is_one_error("photos")


@pytest.mark.parametrize("path", ["", " ", "\0", "x" * 5000, "~no-one/x", "a\nb", "photos/../.."])
def test_paths_that_cannot_be_are_named(fetched, path):
    outcome = fetched(path)
    assert outcome.is_one_error()
    assert "data.path" in outcome.said or "File name too long" in outcome.said


LINES = ["a b.png", "a,b.png", 'a"b.png', "-o.png", "=1+1.png", "\N{SNOWMAN}.PNG"]
OTHERS = {
    **{f"a{each}b.png": "control character" for each in "\t\n\r"},
    os.fsdecode(b"a\xff.png"): "udcff",  # no UTF-8
}


@pytest.mark.parametrize("names", [LINES, *([name] for name in OTHERS)])
def test_odd_names_are_upscaled_and_fetched_if_they_are_a_line_of_text(fetched, upscale, names):
    names = [*names, *(f"{seed}.png" for seed in range(9))]  # which are enough for each split
    make({f"photos/{name}": png(seed) for seed, name in enumerate(names)})
    outcome = fetched()
    if naming := OTHERS.get(names[0]):
        assert outcome.is_one_error(naming)
    else:
        assert outcome.code == 0
    assert len(upscale("photos", "-o", "large").made) == len(names)


def test_what_a_killed_run_left_goes_with_the_next(upscale):
    make({"a.png": PNG, ".b.png.partial": PNG[:50]})
    assert upscale("a.png", "-o", "b.png").made == ["b.png"]
    assert not Path(".b.png.partial").exists()


MODELS = [
    *("", ".", "\0", "http://host/m", "runs:/../../x"),
    *("models:", "models:/x/y/z", "models:/a@b", "models:/'; drop"),
]
ARGUMENTS = [
    *(["upscale", "a.png", "-o", "b.png", "--model", model] for model in MODELS),
    ["upscale", "a.png", "*.jpg"],
    ["upscale", "a.png", "-o", "there.png/"],
    ["upscale", "a.png", "-o", "none/\0.png"],
    ["upscale", "a.png", "-o", "a.png/b.png"],
    ["upscale", ".", "-o", "a.png"],
    ["export", "--onnx", "there.png"],
    ["export", "--onnx", "there.png/x.onnx"],
    ["export", "--onnx", "."],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_models_and_outputs_that_cannot_be_are_named(run, model, arguments):
    make({"a.png": PNG, "there.png": PNG})
    command, *others = arguments
    assert run(main, [command, "--model", model, *others]).is_one_error()
    assert Path("there.png").read_bytes() == Path("a.png").read_bytes() == PNG
