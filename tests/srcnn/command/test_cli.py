"""The command as a user runs it, in this process or in one of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from srcnn.command.cli import main
from srcnn.inference.upscaler import Upscaler
from tests.support import optional
from tests.support.models import model_file, resolver
from tests.support.paths import SOURCE
from tests.support.ports import free_port

ASTRONAUT = data.astronaut()[:60, 150:230]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with a model, a picture and no MLflow store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    model_file(tmp_path)
    Image.fromarray(ASTRONAUT).save("portrait.png")
    return tmp_path


def upscale(*arguments):
    return main(["upscale", *arguments, "--model", "model.safetensors", "--device", "cpu"])


@pytest.mark.parametrize(
    ("option", "settings"),
    [
        ([], {}),
        (["--self-ensemble"], {"self_ensemble": True}),
        (["--precision", "bfloat16"], {"bfloat16": True}),
    ],
)
def test_one_picture_and_its_speed(folder, capsys, option, settings):
    assert upscale("portrait.png", "-o", "big.png", *option) == 0
    expected = Upscaler(resolver(), **settings)(ASTRONAUT)
    np.testing.assert_array_equal(np.asarray(Image.open("big.png")), expected)
    output = capsys.readouterr().out
    assert "1 picture enlarged x2 by model.safetensors" in output
    assert "megapixels/s" in output


def test_compare_puts_bicubic_beside_sr(folder):
    assert upscale("portrait.png", "--compare") == 0
    both = np.asarray(Image.open("portrait_x2_compare.png"))
    assert both.shape == (120, 2 * 160 + 8, 3)
    (band,) = Upscaler(resolver()).bands(ASTRONAUT)
    np.testing.assert_array_equal(both[:, :160], band.bicubic)
    np.testing.assert_array_equal(both[:, 168:], band.sr)


def test_without_any_training_the_package_s_network_is_taken_and_named(folder, capsys):
    assert main(["upscale", "portrait.png", "-o", "big.png"]) == 0
    assert "1 picture enlarged x4 by packaged:x4" in capsys.readouterr().out
    assert main(["upscale", "portrait.png", "-o", "three.png", "--scale", "3"]) == 0
    assert "1 picture enlarged x3 by packaged:x3" in capsys.readouterr().out
    assert Image.open("three.png").size == (240, 180)
    assert not Path("mlflow.db").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "model.safetensors", "--scale", "3"], "scale is 3, but model.safetensors enl"),
        (["--model", "vgg-0.01"], "'vgg-0.01' is no model file; there is no MLflow store"),
        (["--model", "missing.safetensors"], "missing.safetensors: no such model file"),
        (["--model", "portrait.png"], "portrait.png is not a trained network"),
    ],
)
def test_a_model_that_cannot_be_used_is_one_error(folder, capsys, options, reason):
    assert main(["upscale", "portrait.png", "-o", "big.png", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"ERROR: {reason}")
    assert error.count("\n") == 1
    assert not Path("big.png").exists()


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [("gradio", ["demo"], "demo"), ("onnx", ["export", "--onnx", "a.onnx"], "onnx")],
)
def test_without_a_package_the_message_names_its_extra(
    folder, capsys, monkeypatch, package, command, extra
):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(command) == 1
    assert f"srcnn[{extra}]" in capsys.readouterr().err


def test_module_and_import_stay_light(folder):
    """Wrong names are told before PyTorch's seconds of import."""
    check = (
        "import srcnn, srcnn.command.cli, sys\n"
        "assert not {'torch', 'PIL', 'mlflow'} & set(sys.modules)\n"
        "assert srcnn.command.cli.main(['upscale', 'nobody.png']) == 1\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stderr == "ERROR: nobody.png: no such file or folder\n"


def test_a_blend_names_both_models(folder, capsys):
    assert upscale("portrait.png", "-o", "a.png", "--blend", "model.safetensors:0.3") == 0
    output = capsys.readouterr().out
    assert "by model.safetensors, blended with model.safetensors:0.3: " in output
    np.testing.assert_array_equal(np.asarray(Image.open("a.png")), Upscaler(resolver())(ASTRONAUT))
    assert upscale("portrait.png", "-o", "b.png", "--blend", "model.safetensors") == 1
    assert "must be a model and its share" in capsys.readouterr().err
    assert not Path("b.png").exists()


def heed_interrupts():
    """In a new process: Ctrl+C counts, though a test run in the background may ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "srcnn", *arguments, "--model", "model.safetensors"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def test_ctrl_c_ends_the_demo_in_one_line_and_leaves_no_file(folder, monkeypatch):
    (folder / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder / "temporary" / "gradio"))
    optional.needed("gradio", "requirements-demo.txt")
    port = str(free_port())
    process = start("demo", "--port", port)

    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    time.sleep(0.5)  # until it waits
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert said.count("\n") == 1  # that it ends
    assert not list((folder / "temporary").iterdir())


def test_a_reader_that_leaves_ends_the_command_without_a_word(folder):
    process = start("upscale", "portrait.png")
    process.stdout.close()
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141
    assert Path("portrait_x2.png").is_file()
