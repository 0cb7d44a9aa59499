"""The project's parameters with other values, by dotted names."""

import copy
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.stage.params import Params
from tests.support.paths import ROOT


def params_with(changes: Mapping[str, object] | None = None) -> Params:
    return Params.model_validate(tree_with(changes))


def tree_with(changes: Mapping[str, object] | None = None) -> dict[str, Any]:
    """What params.yaml holds."""
    tree = copy.deepcopy(_tree())
    for name, value in (changes or {}).items():
        branch, leaf = branch_of(tree, name)
        branch[leaf] = value
    return tree


@cache
def _tree() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def write_params(folder: Path, changes: Mapping[str, object] | None = None) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tree_with(changes)), encoding="utf-8")
    return path


def branch_of(tree: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Where a parameter stands, and its key there."""
    *sections, leaf = name.split(".")
    for section in sections:
        tree = tree[section]
    return tree, leaf


def declare_stages(folder: Path) -> None:
    """Put the project's dvc.yaml into a checkout: stages note the parameters it declares."""
    shutil.copy(ROOT / "dvc.yaml", folder)
