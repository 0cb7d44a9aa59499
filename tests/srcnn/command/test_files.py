"""Which files `srcnn upscale` takes and makes: several, patterns, folders, and what is there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcnn.command import batch
from srcnn.command.cli import main
from tests.models import model_file

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder with pictures; the model, which enlarges x2, is elsewhere."""
    (tmp_path / "work" / "photos" / "sub").mkdir(parents=True)
    model_file(tmp_path)
    monkeypatch.chdir(tmp_path / "work")
    for name in ("a.png", "b.jpg", "photos/c.png", "photos/sub/d.webp"):
        Image.fromarray(PIXELS).save(name)


def upscale(*arguments):
    return main(["upscale", *arguments, "--model", "../model.safetensors", "--device", "cpu"])


def files():
    return {path.as_posix() for path in Path().rglob("*") if path.is_file()}


def made(*arguments):
    """The files that the command makes."""
    before = files()
    assert upscale(*arguments) == 0
    return files() - before


def test_without_an_output_the_result_lies_beside_the_input(capsys):
    assert made("b.jpg") == {"b_x2.png"}
    assert "b_x2.png: 20x24 pixels\n" in capsys.readouterr().out
    assert made("photos/c.png", "a.png", "--compare") == {
        "photos/c_x2.png",
        "photos/c_x2_compare.png",
        "a_x2.png",
        "a_x2_compare.png",
    }


def test_without_an_output_a_folder_gets_one_beside_it(monkeypatch):
    assert made("photos/") == {"photos_x2/c.png", "photos_x2/sub/d.webp"}
    monkeypatch.chdir("photos/sub")
    assert main(["upscale", ".", "--model", "../../../model.safetensors"]) == 0
    assert Path("../sub_x2/d.webp").is_file()


@pytest.mark.parametrize("output", ["new", "new/", "new/er/"])
def test_one_picture_goes_into_a_folder_which_is_made(output):
    assert made("a.png", "-o", output) == {f"{Path(output)}/a.png"}


def test_several_pictures_and_folders_go_into_one_folder():
    assert made("a.png", "photos", "b.jpg", "-o", "new") == {
        "new/a.png",
        "new/b.jpg",
        "new/photos/c.png",
        "new/photos/sub/d.webp",
    }


def test_several_pictures_with_one_name_are_refused(capsys):
    Image.fromarray(PIXELS).save("photos/a.png")
    assert upscale("a.png", "photos/a.png", "-o", "new") == 1
    assert "two outputs would be new/a.png" in capsys.readouterr().err
    assert made("a.png", "./a.png", "-o", "new") == {"new/a.png"}


def test_several_pictures_do_not_go_into_one(capsys):
    for sources in (["a.png", "b.jpg"], ["photos"]):
        assert upscale(*sources, "-o", "new.png") == 1
        assert "the output is new.png, a picture" in capsys.readouterr().err


def test_patterns_that_the_shell_left_are_expanded(capsys):
    Path("photos/notes.txt").touch()
    assert made("photos/*", "*.jpg", "-o", "new") == {"new/c.png", "new/b.jpg"}
    said = capsys.readouterr().out
    assert "1 other file left alone" in said
    assert "2 pictures enlarged" in said
    assert made("**/*.webp") == {"photos/sub/d_x2.png"}
    assert made(str(Path("*.png").absolute())) == {"a_x2.png"}
    assert upscale("*.gif", "-o", "gifs") == 1
    assert "*.gif: no picture has such a name" in capsys.readouterr().err


def test_a_name_that_looks_like_a_pattern_is_a_name():
    Image.fromarray(PIXELS).save("[a].png")
    assert made("[a].png") == {"[a]_x2.png"}


def test_a_pattern_does_not_enlarge_what_it_made_before(capsys):
    Image.fromarray(PIXELS).save("e.png")
    assert len(made("*.png", "--compare")) == 4
    capsys.readouterr()
    assert made("*.png", "--compare") == set()
    said = capsys.readouterr().out
    assert said == "2 pictures already there, which --overwrite would make anew; nothing to do\n"


def test_files_that_are_no_pictures_are_counted(capsys):
    for name in ("notes.txt", "sub/.hidden.png", ".partial"):
        Path("photos", name).touch()
    assert len(made("photos")) == 2
    assert "3 other files left alone" in capsys.readouterr().out


def test_an_interrupted_folder_is_completed(capsys, monkeypatch):
    enlarge = batch.enlarge

    def interrupted(job, upscaler):
        if job.source.name == "d.webp":
            raise KeyboardInterrupt
        return enlarge(job, upscaler)

    monkeypatch.setattr(batch, "enlarge", interrupted)
    assert upscale("photos") == 130
    assert capsys.readouterr().err == "Interrupted; what was not finished was not written\n"
    first = Path("photos_x2/c.png").stat()

    monkeypatch.setattr(batch, "enlarge", enlarge)
    assert made("photos") == {"photos_x2/sub/d.webp"}
    said = capsys.readouterr().out
    assert "1 picture already there" in said
    assert "1 picture to make" in said
    assert "1 picture enlarged" in said
    assert Path("photos_x2/c.png").stat() == first
    assert made("photos", "--overwrite") == set()
    assert Path("photos_x2/c.png").stat() != first


def test_comparisons_that_are_missing_are_added_and_nothing_else_is_touched():
    made("photos")
    Path("photos_x2/c.png").write_text("mine")
    assert made("photos", "--compare") == {
        "photos_x2/c_compare.png",
        "photos_x2/sub/d_compare.png",
    }
    assert Path("photos_x2/c.png").read_text() == "mine"


def test_a_picture_that_fails_is_told_without_numbers_of_nothing(capsys):
    Path("broken.png").write_text("no picture")
    assert upscale("broken.png") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("ERROR: broken.png: ")
    assert said.err.count("\n") == 1
