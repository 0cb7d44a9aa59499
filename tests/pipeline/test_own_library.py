"""An experiment's copy of the project uses its own code, not that which is installed."""

import shutil
import subprocess
import sys

from tests.support.paths import ROOT


def test_a_copy_imports_its_own_library(tmp_path, monkeypatch):
    for package in ("pipeline", "src/srcnn"):
        (tmp_path / package).mkdir(parents=True)
        shutil.copy(ROOT / package / "__init__.py", tmp_path / package)
    shutil.copy(ROOT / "src/srcnn/openmp.py", tmp_path / "src/srcnn")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))  # as an editable install does
    code = "import pipeline, srcnn; print(srcnn.__file__)"
    said = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True)
    assert said.strip() == str(tmp_path / "src/srcnn/__init__.py")
