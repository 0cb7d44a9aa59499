"""docs/use.md and the README: what they show of the served model."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs/use.md").read_text("utf-8")


@pytest.fixture
def reader():
    """The script that reads the server's answer, run with an answer."""
    script = re.search(r"python3 -c '(.+?)'", PAGE, re.DOTALL)[1]
    command = [sys.executable, "-c", script]
    return lambda answer: subprocess.run(command, input=answer, capture_output=True, check=False)


def test_an_answer_becomes_its_picture(reader):
    picture = base64.b64encode(b"picture").decode()
    done = reader(json.dumps({"predictions": [{"picture": picture}]}).encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"picture", b"")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"error_code": "X", "message": "the picture: not a PNG"}', b"the picture: not a PNG\n"),
        (b"", b"no answer\n"),
    ],
)
def test_a_refusal_is_told_in_the_server_s_words(reader, answer, told):
    done = reader(answer)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", told)


def test_served_models_do_not_take_the_port_of_mlflow_s_pages():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    commands = re.findall(r"^mlflow models serve.*", "\n".join(map(Path.read_text, pages)), re.M)
    assert commands
    assert all("--port 5001" in command for command in commands)
    assert "127.0.0.1:5001/invocations" in PAGE
