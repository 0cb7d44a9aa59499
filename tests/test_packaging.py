"""Every package that the code imports is declared, and all declarations of a version agree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from sys import stdlib_module_names

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from tests.support import imports
from tests.support.paths import ROOT

LIBRARY = ROOT / "src/srcnn"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"srcnn", "pipeline", "tools", "tests", "benchmarks"}
DISTRIBUTIONS = packages_distributions()
PARTS = {"dvc-render": "dvc"}  # distributions of one project, of which the second needs the first
INSTALLED = ("requirements.txt", *(f"requirements-{part}.txt" for part in ("onnx", "demo", "heic")))

# The parts of the library that need an extra. All others need nothing beside the dependencies.
EXTRAS = {
    "command/demo/": "demo",
    "command/onnx_export.py": "onnx",
    "figures/": "figures",
    "inference/mlflow_sqlite.py": "mlflow",
    "perceptual/": "perceptual",
    "pictures/images.py": "heic",
    "scoring/learned.py": "perceptual",
    "inference/mlflow_models.py": "mlflow",
}


def test_make_setup_brings_the_command():
    command = Path(sys.executable).with_name("srcnn")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith(f"srcnn {PROJECT['version']}")


def required(*extras: str) -> Iterator[Requirement]:
    """What pyproject.toml asks for, with some extras."""
    optional = [PROJECT["optional-dependencies"][extra] for extra in extras]
    for requirement in map(Requirement, chain(PROJECT["dependencies"], *optional)):
        if requirement.name == PROJECT["name"]:  # an extra that includes others
            yield from required(*requirement.extras)
        else:
            yield requirement


def pins(*files: str) -> dict[str, str]:
    """The version of each package that requirements files name."""
    lines = [line for file in files for line in (ROOT / file).read_text("utf-8").splitlines()]
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def undeclared(file: Path, declared: Iterable[str]) -> list[str]:
    """What a file imports, anywhere in it, that none of the declared distributions brings."""
    imported = {name.partition(".")[0] for name in imports.names(file)}
    known = set(map(canonicalize_name, declared))
    known |= {part for part, whole in PARTS.items() if whole in known}
    return [
        f"{file.relative_to(ROOT)}: {name}"
        for name in imported - stdlib_module_names - OURS
        if known.isdisjoint(map(canonicalize_name, DISTRIBUTIONS.get(name, [name])))
    ]


def test_pyproject_declares_what_the_library_imports():
    assert [part for part in EXTRAS if not (LIBRARY / part).exists()] == []
    missing = []
    for file in LIBRARY.rglob("*.py"):
        path = file.relative_to(LIBRARY).as_posix()
        extras = [extra for part, extra in EXTRAS.items() if path.startswith(part)]
        missing += undeclared(file, [requirement.name for requirement in required(*extras)])
    assert missing == []


@pytest.mark.parametrize("folder", ["src", "pipeline", "tools", "tests", "benchmarks"])
def test_requirements_files_pin_what_is_imported(folder):
    pinned = pins(*INSTALLED, "requirements-benchmarks.txt")
    missing = [undeclared(file, pinned) for file in (ROOT / folder).rglob("*.py")]
    assert list(chain(*missing)) == []


def test_pyproject_allows_the_pinned_versions():
    pinned = pins(*INSTALLED)
    for requirement in required(*PROJECT["optional-dependencies"]):
        version = pinned[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, requirement


def test_constraints_hold_the_pins_and_nothing_of_one_machine():
    comment, *lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert comment.startswith("#")
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)] == []
    assert pins(*INSTALLED).items() <= pins("constraints.txt").items(), "make lock"


def test_pre_commit_runs_the_pinned_ruff():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    revisions = {Path(repo["repo"]).name: repo["rev"] for repo in config["repos"]}
    assert revisions["ruff-pre-commit"] == f"v{pins('requirements.txt')['ruff']}"


def test_the_package_is_installed_whole_and_works_away_from_the_checkout(tmp_path):
    copy, target = tmp_path / "checkout", tmp_path / "installed"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    here = ["--no-deps", "--no-build-isolation", "--no-index", "--target", target, copy]
    subprocess.run([*pip, *here], check=True)
    given, installed = (
        {path.relative_to(folder) for path in folder.rglob("*") if "__pycache__" not in path.parts}
        for folder in (copy / "src/srcnn", target / "srcnn")
    )
    assert installed == given

    Image.new("RGB", (9, 7), "teal").save(tmp_path / "photo.jpg")
    environment = {n: v for n, v in os.environ.items() if not n.startswith("MLFLOW")}
    environment["PYTHONPATH"] = str(target)
    command = [sys.executable, "-m", "srcnn", "upscale", "photo.jpg"]
    said = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
    assert "photo_x4.png: 36x28 pixels" in said
    assert Image.open(tmp_path / "photo_x4.png").size == (36, 28)


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)[1] == PROJECT["version"]
