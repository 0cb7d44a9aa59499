"""The setting of OpenMP is there before PyTorch is, and the user's comes first."""

import os
import subprocess
import sys

import pytest

from srcnn.openmp import prepare_threads
from tests.support.paths import ROOT, SOURCE


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_prepare_threads_unless_the_user_decided(given, spins, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (given | {"OMP_DYNAMIC": "true"}).items():
        monkeypatch.setenv(name, value)
    prepare_threads()
    assert os.environ.get("GOMP_SPINCOUNT") == spins
    assert os.environ["OMP_DYNAMIC"] == "false"  # else it may give fewer threads than asked for


@pytest.mark.parametrize(
    "code",
    ["import pipeline", "from srcnn.command.cli import main; main(['upscale', 'nobody.png'])"],
)
def test_stages_and_commands_set_it_before_pytorch_is_loaded(code, tmp_path):
    code = (
        "import os, sys\n"
        "def watch(event, arguments):\n"
        "    if event == 'import' and arguments[0] == 'torch':\n"
        "        print('GOMP', os.environ.get('GOMP_SPINCOUNT'), flush=True)\n"
        "        os._exit(0)\n"
        "sys.addaudithook(watch)\n"
        f"{code}\n"
        "import torch\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GOMP_", "OMP_"))}
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{SOURCE}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[0] == "GOMP 10000", done.stderr
