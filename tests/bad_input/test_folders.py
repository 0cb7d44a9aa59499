"""Folders and file names, for the stage fetch, the test sets and `srcnn upscale`."""

import os
from pathlib import Path

import pytest

from pipeline import check, evaluate, fetch
from srcnn.command.cli import main
from tests.bad_input.pictures import BROKEN, WHOLE
from tests.support import optional
from tests.support.models import model_file
from tests.support.pictures import png

PNG = WHOLE["png rgb"]


def nothing():
    pass


def a_file():
    Path("photos").write_bytes(PNG)


def empty():
    Path("photos").mkdir()


def texts():
    Path("photos").mkdir()
    Path("photos/notes.txt").write_text("notes")


def hidden():
    Path("photos/.cache").mkdir(parents=True)
    Path("photos/.cache/a.png").write_bytes(PNG)
    Path("photos/.a.png").write_bytes(PNG)


def folders_with_a_picture_s_name():
    Path("photos/a.png").mkdir(parents=True)


def broken_links():
    Path("photos").mkdir()
    Path("photos/a.png").symlink_to("nowhere.png")


def links_to_each_other():
    Path("photos").mkdir()
    Path("photos/a.png").symlink_to("b.png")
    Path("photos/b.png").symlink_to("a.png")


def a_broken_picture():
    Path("photos").mkdir()
    Path("photos/a.png").write_bytes(BROKEN["png bomb"])


FOLDERS = (
    nothing,
    a_file,
    empty,
    texts,
    hidden,
    folders_with_a_picture_s_name,
    broken_links,
    links_to_each_other,
    a_broken_picture,
)
names = {"ids": lambda make: make.__name__}


@pytest.mark.parametrize("make", FOLDERS, **names)
def test_folders_without_a_picture_are_named(project, run, tmp_path, make):
    make()
    outcome = project(fetch, "fetch", **{"data.source": "folder", "data.path": "photos"})
    assert outcome.is_one_error()
    assert "photos" in outcome.said or "a.png" in outcome.said
    assert not Path("data/raw").exists()
    for module, name in ((check, None), (evaluate, "evaluate")):
        outcome = project(module, name, **{"evaluate.test_sets": {"S": "photos"}})
        assert outcome.is_one_error("evaluate.test_sets.S", "photos")
    outcome = run(main, ["upscale", "photos", "-o", "large", "--model", str(model_file(tmp_path))])
    if make is a_file:  # a picture, whatever its name
        assert (outcome.code, outcome.made) == (0, ["large/photos.png"])
    else:
        assert outcome.is_one_error("photos")


@pytest.mark.parametrize("path", ["", " ", "\0", "x" * 5000, "~no-one/x", "a\nb", "photos/../.."])
def test_paths_that_cannot_be_are_named(project, path):
    outcome = project(fetch, "fetch", **{"data.source": "folder", "data.path": path})
    assert outcome.is_one_error()
    assert "data.path" in outcome.said or "File name too long" in outcome.said


NAMES = [
    "a b.png",
    "ü.png",
    "a,b.png",
    'a"b.png',
    "'.png",
    "-o.png",
]


@pytest.mark.parametrize("name", [*NAMES, "\N{SNOWMAN}.PNG", "a.tar.png", "=1+1.png", "a%20b.png"])
def test_odd_names_are_taken(project, run, tmp_path, name):
    Path("photos").mkdir()
    Path("photos", name).write_bytes(PNG)
    for seed in range(9):  # enough for each split
        Path("photos", f"{seed}.png").write_bytes(png(seed))
    outcome = project(fetch, "fetch", **{"data.source": "folder", "data.path": "photos"})
    assert outcome.code == 0
    model = str(model_file(tmp_path))
    assert run(main, ["upscale", "photos", "-o", "large", "--model", model]).code == 0
    assert Path("large", name).is_file()


@pytest.mark.parametrize("name", ["a\tb.png", "a\nb.png", "a\rb.png"])
def test_names_that_are_no_line_are_refused_by_fetch_and_upscaled(project, run, tmp_path, name):
    Path("photos").mkdir()
    Path("photos", name).write_bytes(PNG)
    outcome = project(fetch, "fetch", **{"data.source": "folder", "data.path": "photos"})
    assert outcome.is_one_error("control character")
    model = str(model_file(tmp_path))
    assert run(main, ["upscale", "photos", "-o", "large", "--model", model]).code == 0
    assert Path("large", name).is_file()


def test_a_name_that_is_no_text_is_named(project):
    Path("photos").mkdir()
    Path(os.fsdecode(b"photos/a\xff.png")).write_bytes(PNG)
    outcome = project(fetch, "fetch", **{"data.source": "folder", "data.path": "photos"})
    assert outcome.is_one_error("udcff", "UTF-8")


MODELS = [
    "none.safetensors",
    ".",
    "",
    "models:",
    "models:/",
    "runs:/",
    "models:/x/y/z",
    "models:/a@b",
]


@pytest.mark.parametrize(
    "model", [*MODELS, "models:/'; drop", "runs:/../../x", "http://host/m", "\0"]
)
def test_models_that_are_not_there_are_named(run, model):
    Path("a.png").write_bytes(PNG)
    assert run(main, ["upscale", "a.png", "-o", "b.png", "--model", model]).is_one_error()


def test_what_a_killed_run_left_goes_with_the_next(run, tmp_path):
    Path("a.png").write_bytes(PNG)
    Path(".b.png.partial").write_bytes(PNG[:50])
    model = str(model_file(tmp_path))
    assert run(main, ["upscale", "a.png", "-o", "b.png", "--model", model]).made == ["b.png"]
    assert not Path(".b.png.partial").exists()


def test_a_model_that_cannot_be_written_leaves_nothing(run, tmp_path, monkeypatch):
    optional.package("onnxruntime", "requirements-onnx.txt")

    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device", str(path))

    model = str(model_file(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", full)
    outcome = run(main, ["export", "--onnx", "x.onnx", "--model", model])
    assert outcome.is_one_error("No space left", "x.onnx")


ARGUMENTS = [
    ["upscale", "a.png", "*.jpg"],
    ["upscale", "a.png", "-o", "there.png/"],
    ["upscale", "a.png", "-o", "none/\0.png"],
    ["upscale", "a.png", "-o", "a.png/b.png"],
    ["upscale", ".", "-o", "a.png"],
    ["upscale", "a.png", "-o", "b.png", "--device", "tpu"],
    ["export", "--onnx", "there.png"],
    ["export", "--onnx", "there.png/x.onnx"],
    ["export", "--onnx", "."],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_outputs_that_cannot_be_are_named(run, tmp_path, arguments):
    Path("a.png").write_bytes(PNG)
    Path("there.png").write_bytes(PNG)
    outcome = run(main, [*arguments, "--model", str(model_file(tmp_path))])
    assert outcome.is_one_error()
    assert Path("there.png").read_bytes() == Path("a.png").read_bytes() == PNG
