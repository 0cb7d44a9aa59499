"""Which files `srcnn upscale` takes and makes: several, patterns, folders, and what is there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import srcnn
from srcnn.command import batch
from srcnn.command.cli import main
from tests.models import model_file

SOURCE = str(Path(srcnn.__file__).parents[1])
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
    assert "Left alone: 1 .txt\n" in said
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
    assert said == (
        "Left alone: 4 made by srcnn\n"
        "2 pictures already there, which --overwrite would make anew; nothing to do\n"
    )


def test_what_the_command_made_is_no_input_beside_others(capsys):
    made("photos/c.png", "photos/sub/d.webp", "--compare")
    made("photos/sub/d.webp", "-o", "photos/d.jpg")
    made("photos/sub/d.webp", "-o", "photos/d.tif")
    capsys.readouterr()
    assert made("photos") == {"photos_x2/c.png", "photos_x2/sub/d.webp"}
    assert "Left alone: 6 made by srcnn\n" in capsys.readouterr().out
    assert made("photos/d.tif", "photos/c.png", "-o", "new") == {"new/c.png"}
    assert "Left alone: 1 made by srcnn\n" in capsys.readouterr().out


def test_what_the_command_made_is_taken_where_there_is_nothing_else():
    made("photos", "a.png")
    assert made("photos_x2") == {"photos_x2_x2/c.png", "photos_x2_x2/sub/d.webp"}
    assert made("a_x2.png") == {"a_x2_x2.png"}


def test_files_that_are_no_pictures_are_counted_by_their_kind(capsys):
    kinds = ("notes.txt", "1.HEIC", "2.heic", "sub/.hidden.png", ".partial", "LICENSE")
    for name in kinds:
        Path("photos", name).touch()
    Path("photos/lost.png").symlink_to("nowhere.png")
    os.mkfifo("photos/pipe.png")
    os.mkfifo("photos/sub/pipe.png")
    assert len(made("photos")) == 2
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith("Left alone: ")
    assert set(said.removeprefix("Left alone: ").split(", ")) == {
        *("2 .heic", "2 hidden", "2 pipes", "1 .txt", "1 without a suffix", "1 broken link")
    }
    for suffix in "abcdef":
        Path(f"photos/0.{suffix}").touch()
    assert made("photos") == set()
    assert ", 6 more\n" in capsys.readouterr().out


def test_a_folder_without_a_picture_says_what_it_has(capsys):
    Path("phone").mkdir()
    Path("phone/1.heic").touch()
    assert upscale("phone") == 1
    assert re.search(r"phone holds no picture \(.*\), but 1 \.heic\n", capsys.readouterr().err)


@pytest.mark.parametrize("name", ["e.bmp", "e.jfif", "e.jpe", "e.TIFF"])
def test_a_folder_takes_what_is_taken_alone(name):
    Path("other").mkdir()
    Image.fromarray(PIXELS).save(f"other/{name}", "BMP" if name == "e.bmp" else "JPEG")
    target = "e.bmp.png" if name == "e.bmp" else name  # of what is only read comes a PNG
    assert made(f"other/{name}") == {"other/e_x2.png"}
    assert made(f"other/{name}", "-o", "new/") == {f"new/{target}"}
    Path("other/e_x2.png").unlink()
    assert made("other") == {f"other_x2/{target}"}
    assert made(f"other/{name[:-1]}*", "-o", "newer") == {f"newer/{target}"}


def test_linked_folders_are_followed_and_may_loop():
    Path("elsewhere/deep").mkdir(parents=True)
    Image.fromarray(PIXELS).save("elsewhere/deep/e.png")
    Path("photos/more").symlink_to("../elsewhere")
    Path("elsewhere/back").symlink_to("../photos")
    Path("elsewhere/deep/itself").symlink_to("../deep")
    Path("photos/again").symlink_to("sub")
    assert made("photos") == {
        "photos_x2/c.png",
        "photos_x2/sub/d.webp",
        "photos_x2/more/deep/e.png",
    }


@pytest.mark.parametrize(
    ("kind", "target"), [("pipe", "fifo"), ("device", os.devnull), ("broken link", "nowhere")]
)
def test_what_is_neither_a_file_nor_a_folder_is_said_to_be_what_it_is(capsys, kind, target):
    os.mkfifo("fifo")
    Path("odd.png").symlink_to(target)
    assert upscale("odd.png") == 1
    assert f"odd.png is a {kind}; pictures are read from files" in capsys.readouterr().err


@pytest.mark.parametrize("name", [b"\xe9.png", "\N{SNOWMAN}.png".encode()])
def test_a_name_that_the_terminal_cannot_show_stops_nothing(name):
    """Neither bytes that are no text, nor a character that its encoding lacks."""
    shutil.copy("a.png", os.fsdecode(name))
    environment = os.environ | {"PYTHONPATH": SOURCE, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "srcnn", "upscale", "a.png", os.fsdecode(name), "b.jpg"]
    done = subprocess.run(
        [*command, "--model", "../model.safetensors"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.count(b": 20x24 pixels\n") == 3
    assert b"3 pictures enlarged" in done.stdout
    assert Path("b_x2.png").is_file()


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
