"""Which files `srcnn upscale` takes and makes: pictures, folders, and what exists already."""

import io
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcnn.command.cli import main
from srcnn.inference.upscaler import Upscaler
from tests.support.models import model_file

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
    """What the current folder's files hold, by their paths."""
    return {path.as_posix(): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def results(*arguments):
    """The files that the command makes."""
    before = files()
    assert upscale(*arguments) == 0
    return files().keys() - before.keys()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["b.jpg"], {"b_x2.png"}),
        (["a.png", "photos/c.png"], {"photos/c_x2.png", "a_x2.png"}),
        (["b.jpg", "--compare"], {"b_x2_compare.png"}),
        (["photos/"], {"photos_x2/c.png", "photos_x2/sub/d.webp"}),
        (["a.png", "-o", "new.tif"], {"new.tif"}),
        (["opaque.png", "-o", "new.jpg"], {"new.jpg"}),
        (["a.png", "-o", "new"], {"new/a.png"}),
        (["a.png", "-o", "new.d/"], {"new.d/a.png"}),
        (["a.png", "./a.png", "b.jpg", "-o", "new"], {"new/a.png", "new/b.jpg"}),
        (["photos", "-o", "new"], {"new/c.png", "new/sub/d.webp"}),
        (
            ["a.png", "photos", "-o", "new"],
            {"new/a.png", "new/photos/c.png", "new/photos/sub/d.webp"},
        ),
    ],
)
def test_where_results_go(arguments, expected):
    Image.fromarray(PIXELS).convert("RGBA").save("opaque.png")
    assert results(*arguments) == expected


def test_the_current_folder_has_one_beside_it(monkeypatch):
    monkeypatch.chdir("photos/sub")
    assert main(["upscale", ".", "--model", "../../../model.safetensors"]) == 0
    assert Path("../sub_x2/d.webp").is_file()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a.png", "photos/a.png", "-o", "new"], "two outputs would be new/a.png"),
        (["a.png", "b.jpg", "-o", "new.png"], "the output is new.png, a file"),
        (["a.png", "b.jpg", "-o", "a.png"], "the output is a.png, a file"),
        (["pipe.png"], "pipe.png: no such file or folder"),
        (["a.png", "-o", "big.gif"], "big.gif: the suffix names the format"),
        (["clear.png", "-o", "big.jpg"], "clear.png: big.jpg: JPEG holds no transparency"),
        (["photos", "-o", "photos"], "the output is photos, the source itself"),
        (["phone"], r"phone holds no picture \(.*\), but 1 \.cr2"),
        (["broken.png"], "broken.png: not a PNG"),
        (["a.png", "-o", "b.jpg"], "b.jpg exists already; --overwrite"),
        *(
            (["a.png", "-o", output, "--overwrite"], ".* is an input, which is never overwritten")
            for output in ("a.png", ".", "symlink.png")
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(capsys, arguments, reason):
    Path("symlink.png").symlink_to("a.png")
    Image.fromarray(PIXELS).save("photos/a.png")
    Image.new("RGBA", (9, 9)).save("clear.png")
    Path("broken.png").write_text("no picture")
    Path("phone").mkdir()
    Path("phone/1.cr2").touch()
    os.mkfifo("pipe.png")
    before = files()
    assert upscale(*arguments) == 1
    said = capsys.readouterr()
    assert re.fullmatch(rf"ERROR: {reason}.*\n", said.err)
    assert said.out == ""
    assert files() == before


def test_of_an_output_with_two_names_the_input_stays():
    before = Path("a.png").read_bytes()
    Path("hardlink.png").hardlink_to("a.png")
    assert results("a.png", "-o", "hardlink.png", "--overwrite") == set()
    assert Path("a.png").read_bytes() == before != Path("hardlink.png").read_bytes()


def test_failures_in_a_folder_are_listed_and_what_was_made_there_is_no_source(capsys):
    Path("photos/text.png").write_text("not a picture")
    for options in ([], ["--overwrite"]):
        assert upscale("photos", "-o", "photos/big", *options) == 1
        errors = capsys.readouterr().err
        assert "photos/text.png: not a PNG" in errors
        assert "1 of 3 failed" in errors
    assert Path("photos/big/sub/d.webp").is_file()
    assert not Path("photos/big/big").exists()


def test_the_same_command_again_makes_nothing_of_its_own_results(capsys):
    """As the shell expands *.png."""
    assert results("a.png", "photos/c.png") == {"a_x2.png", "photos/c_x2.png"}
    capsys.readouterr()
    assert results("a.png", "a_x2.png", "photos/c.png", "photos/c_x2.png") == set()
    assert capsys.readouterr().out == (
        "2 pictures already there, which --overwrite would make anew; nothing to do\n"
    )
    assert results("a_x2.png") == {"a_x2_x2.png"}


def test_files_that_are_no_pictures_are_counted_by_their_kind(capsys):
    for name in ("notes.txt", "1.CR2", "2.cr2", "sub/.hidden.png", ".partial", "LICENSE"):
        Path("photos", name).touch()
    os.mkfifo("photos/pipe.png")
    assert len(results("photos")) == 2
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith("Left alone: 2 .cr2, ")
    assert set(said.split(", ")[1:]) == {"1 .txt", "1 without a suffix", "1 .png"}


def test_a_folder_takes_what_is_taken_alone():
    Path("other").mkdir()
    sources = ["other/e.bmp", "other/f.jfif", "other/g.TIFF"]
    for source in sources:
        shutil.copy("b.jpg", source)
    made = {"e.bmp.png", "f.jfif", "g.TIFF"}  # of what is only read comes a PNG
    assert results(*sources, "-o", "new") == {f"new/{name}" for name in made}
    assert results("other") == {f"other_x2/{name}" for name in made}


def test_linked_folders_are_followed_and_may_loop():
    Path("elsewhere/deep").mkdir(parents=True)
    Image.fromarray(PIXELS).save("elsewhere/deep/e.png")
    Path("photos/more").symlink_to("../elsewhere")
    Path("elsewhere/back").symlink_to("../photos")
    Path("elsewhere/deep/itself").symlink_to("../deep")
    Path("photos/again").symlink_to("sub")
    assert results("photos") == {
        "photos_x2/c.png",
        "photos_x2/sub/d.webp",
        "photos_x2/more/deep/e.png",
    }


def test_a_name_that_the_terminal_cannot_show_stops_nothing(monkeypatch):
    """Neither bytes that are no text, nor a character that its encoding lacks."""
    names = [os.fsdecode(b"\xe9.png"), "\N{SNOWMAN}.png"]
    for name in names:
        shutil.copy("a.png", name)
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, "ascii"))
    assert upscale(*names) == 0
    assert terminal.getvalue().count(b": 20x24 pixels\n") == 2
    assert b"2 pictures enlarged" in terminal.getvalue()


def test_an_interrupted_folder_is_completed(capsys, monkeypatch):
    """What was done stays, and of the picture that was under way there is nothing."""
    bands, before = Upscaler.bands, files()

    def interrupted(upscaler, samples):
        yield from bands(upscaler, samples)
        if Path("photos_x2/c.png").exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Upscaler, "bands", interrupted)
        assert upscale("photos") == 130
    assert capsys.readouterr().err == "Interrupted; what was not finished was not written\n"
    assert files().keys() - before.keys() == {"photos_x2/c.png"}
    first = Path("photos_x2/c.png").stat()

    assert results("photos") == {"photos_x2/sub/d.webp"}
    assert "1 picture already there" in capsys.readouterr().out
    assert Path("photos_x2/c.png").stat() == first
    assert results("photos", "--overwrite") == set()
    assert Path("photos_x2/c.png").stat() != first
