"""What a test may not find: then it is skipped, but in CI, which has all of it, it fails."""

import importlib.util
import os
from types import ModuleType
from typing import NoReturn

import pytest


def package(name: str, requirements: str) -> ModuleType:
    """An optional package, which the file `requirements` installs."""
    needed(name, requirements)
    return importlib.import_module(name)


def needed(name: str, requirements: str) -> None:
    """The same without the seconds of its import, for what another process imports."""
    if importlib.util.find_spec(name) is None:
        missing(f"{name} is not installed (pip install -r {requirements})")


def missing(what: str) -> NoReturn:
    """End a test that cannot run for the reason `what`."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
