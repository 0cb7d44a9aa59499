"""The command as a user runs it, in this process; one test runs it as a process."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import srcnn
from srcnn.command.cli import main
from srcnn.upscaling import Upscaler
from tests.models import model_file, resolver

SOURCE = str(Path(srcnn.__file__).parents[1])
ASTRONAUT = data.astronaut()[:60, 150:230]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with a model, a picture and no MLflow store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model_file(tmp_path)
    Image.fromarray(ASTRONAUT).save("portrait.png")
    return tmp_path


def upscale(*arguments):
    return main(["upscale", *arguments, "--model", "model.safetensors", "--device", "cpu"])


def test_one_picture_and_its_speed(folder, capsys):
    assert upscale("portrait.png", "-o", "big.png") == 0
    np.testing.assert_array_equal(
        np.asarray(Image.open("big.png")), Upscaler(resolver())(ASTRONAUT)
    )
    output = capsys.readouterr().out
    assert "1 picture enlarged x2 by model.safetensors" in output
    assert "megapixels/s" in output


def test_folder_keeps_its_structure_and_does_what_it_can(folder, capsys):
    for name in ("a.jpg", "sub/b.webp", "sub/deeper/c.TIF"):
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ASTRONAUT).save(folder / "photos" / name)
    whole = (folder / "portrait.png").read_bytes()
    (folder / "photos/cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "photos/text.png").write_text("not a picture")
    (folder / "photos/notes.txt").write_text("left alone")
    assert upscale("photos", "-o", "photos/big") == 1
    written = {str(p.relative_to("photos/big")) for p in Path("photos/big").rglob("*.*")}
    assert written == {"a.jpg", "sub/b.webp", "sub/deeper/c.TIF"}
    assert Image.open("photos/big/sub/deeper/c.TIF").size == (160, 120)
    errors = capsys.readouterr().err
    assert "photos/cut.png: cannot be decoded" in errors
    assert "photos/text.png: not a PNG" in errors
    assert "2 of 5 failed" in errors
    # what the first run wrote is no input of the second
    assert upscale("photos", "-o", "photos/big", "--overwrite") == 1
    assert not Path("photos/big/big").exists()


def test_existing_outputs_need_overwrite(folder, capsys):
    Path("big.png").write_text("precious")
    assert upscale("portrait.png", "-o", "big.png") == 1
    assert Path("big.png").read_text() == "precious"
    assert "--overwrite" in capsys.readouterr().err
    assert upscale("portrait.png", "-o", "big.png", "--overwrite") == 0
    assert Image.open("big.png").size == (160, 120)


@pytest.mark.parametrize("how", ["name", "folder", "symlink", "hardlink", "comparison"])
def test_inputs_are_never_overwritten(folder, capsys, how):
    before = Path("portrait.png").read_bytes()
    output = "portrait.png"
    if how == "folder":
        output = "."
    elif how in ("symlink", "hardlink"):
        output = "link.png"
        getattr(Path(output), f"{how}_to")("portrait.png")
    elif how == "comparison":
        Path("portrait.png").rename("x_compare.png")
        assert upscale("x_compare.png", "-o", "x.png", "--compare", "--overwrite") == 1
        Path("x_compare.png").rename("portrait.png")
    if how != "comparison":
        assert upscale("portrait.png", "-o", output, "--overwrite") == 1
    assert "never overwritten" in capsys.readouterr().err
    assert Path("portrait.png").read_bytes() == before


def test_a_folder_onto_itself_is_refused(folder, capsys):
    assert upscale(".", "-o", ".", "--overwrite") == 1
    assert "the source itself" in capsys.readouterr().err


def test_compare_writes_bicubic_beside_sr(folder):
    assert upscale("portrait.png", "-o", "big.png", "--compare") == 0
    both = np.asarray(Image.open("big_compare.png"))
    assert both.shape == (120, 2 * 160 + 8, 3)
    np.testing.assert_array_equal(both[:, 168:], np.asarray(Image.open("big.png")))
    (band,) = Upscaler(resolver()).bands(ASTRONAUT)
    np.testing.assert_array_equal(both[:, :160], band.bicubic)


def test_self_ensemble(folder):
    assert upscale("portrait.png", "-o", "big.png", "--self-ensemble") == 0
    expected = Upscaler(resolver(), self_ensemble=True)(ASTRONAUT)
    np.testing.assert_array_equal(np.asarray(Image.open("big.png")), expected)


def test_precision(folder):
    assert upscale("portrait.png", "-o", "big.png", "--precision", "bfloat16") == 0
    expected = Upscaler(resolver(), bfloat16=True)(ASTRONAUT)
    np.testing.assert_array_equal(np.asarray(Image.open("big.png")), expected)


@pytest.mark.parametrize(
    ("source", "output", "reason"),
    [
        ("nobody.png", "big.png", "nobody.png: no such file"),
        ("portrait.png", "big.gif", "the suffix names the format"),
        ("empty", "big", "empty holds no picture"),
        ("clear.png", "big.jpg", "no transparency"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(folder, capsys, source, output, reason):
    Path("empty").mkdir()
    Image.new("RGBA", (9, 9)).save("clear.png")
    assert upscale(source, "-o", output) == 1
    errors = capsys.readouterr().err
    assert reason in errors
    assert "Traceback" not in errors
    assert not Path(output).exists()


def test_a_bomb_is_refused_by_its_header(folder, capsys):
    whole = bytearray(Path("portrait.png").read_bytes())
    whole[16:24] = struct.pack(">II", 11_400, 11_400)  # 130 megapixels, of which Pillow warns
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    Path("bomb.png").write_bytes(whole)
    assert upscale("bomb.png", "-o", "big.png") == 1
    assert "more than 128,000,000 pixels" in capsys.readouterr().err


def test_without_any_training_the_package_s_network_is_taken_and_named(folder, capsys):
    assert main(["upscale", "portrait.png", "-o", "big.png"]) == 0
    assert "1 picture enlarged x4 by packaged:x4" in capsys.readouterr().out
    assert Image.open("big.png").size == (320, 240)
    assert main(["upscale", "portrait.png", "-o", "three.png", "--scale", "3"]) == 0
    assert "1 picture enlarged x3 by packaged:x3" in capsys.readouterr().out
    assert Image.open("three.png").size == (240, 180)
    assert not Path("mlflow.db").exists()


def test_a_scale_that_the_named_model_does_not_have_is_refused(folder, capsys):
    assert upscale("portrait.png", "-o", "big.png", "--scale", "3") == 1
    error = capsys.readouterr().err
    assert error.startswith("ERROR: scale is 3, but model.safetensors enlarges x2")
    assert error.count("\n") == 1
    assert not Path("big.png").exists()


def test_every_scale_that_is_trained_can_be_asked_for(folder, capsys):
    model_file(folder, 8)
    assert upscale("portrait.png", "--scale", "8") == 0
    assert Image.open("portrait_x8.png").size == (640, 480)
    assert main(["upscale", "portrait.png", "--scale", "5"]) == 1
    assert "scale is 5; it must be one of 2, 3, 4, 8" in capsys.readouterr().err


def test_a_picture_that_is_opaque_throughout_goes_into_a_jpeg(folder):
    opaque = Image.fromarray(ASTRONAUT)
    opaque.putalpha(255)
    opaque.save("opaque.png")
    assert upscale("opaque.png", "-o", "big.jpg", "--compare") == 0
    assert Image.open("big.jpg").mode == "RGB"
    assert Image.open("big_compare.png").mode == "RGB"


def test_a_name_of_nothing_is_one_error(folder, capsys):
    assert main(["upscale", "portrait.png", "--model", "vgg-0.01"]) == 1
    error = capsys.readouterr().err
    assert "'vgg-0.01' is no model file; there is no MLflow store" in error
    assert error.count("\n") == 1


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("srcnn")


@pytest.mark.parametrize("name", ["missing.safetensors", "portrait.png"])
def test_what_is_no_model_is_refused(folder, capsys, name):
    assert main(["upscale", "portrait.png", "-o", "big.png", "--model", name]) == 1
    assert name in capsys.readouterr().err


def test_without_mlflow_a_file_still_works(folder):
    script = """
import sys
sys.modules["mlflow"] = None
from srcnn.command.cli import main
arguments = ["upscale", "portrait.png", "-o", "big.png"]
assert main(arguments) == 1
sys.exit(main([*arguments, "--model", "model.safetensors"]))
"""
    environment = {"PYTHONPATH": SOURCE, "PATH": "", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert "MLflow, which is not installed" in done.stderr
    assert done.returncode == 0


def test_module_and_import_stay_light(folder):
    check = (
        "import srcnn, srcnn.command.cli, sys\n"
        "assert not {'torch', 'PIL', 'mlflow'} & set(sys.modules)"
    )
    environment = {"PYTHONPATH": SOURCE, "PATH": ""}
    subprocess.run([sys.executable, "-c", check], env=environment, check=True)
    module = [sys.executable, "-m", "srcnn", "upscale", "nobody.png", "-o", "big.png"]
    done = subprocess.run(module, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "ERROR: nobody.png: no such file or folder\n"
