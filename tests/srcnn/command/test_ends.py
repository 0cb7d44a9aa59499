"""How the commands end when they are interrupted, or nobody reads what they say."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.support import optional
from tests.support.models import model_file
from tests.support.paths import SOURCE


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder with a model and a picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    model_file(tmp_path)
    Image.new("L", (9, 9)).save("small.png")


def heed_interrupts():
    """In a new process: Ctrl+C counts, though a test run in the background may ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments, stdout=None):
    return subprocess.Popen(
        [sys.executable, "-m", "srcnn", *arguments, "--model", "model.safetensors"],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def test_ctrl_c_ends_the_demo_in_one_line_and_leaves_no_file(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary" / "gradio"))
    optional.needed("gradio", "requirements-demo.txt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    process = start("demo", "--port", port, stdout=subprocess.PIPE)

    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    time.sleep(0.5)  # until it waits
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert said.count("\n") == 1  # that it ends
    assert not list((tmp_path / "temporary").iterdir())


def test_a_reader_that_leaves_ends_the_command_without_a_word():
    reads, writes = os.pipe()
    process = start("upscale", "small.png", stdout=writes)
    os.close(writes)
    os.close(reads)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141
    assert Path("small_x2.png").is_file()
