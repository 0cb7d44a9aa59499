"""Stage check: what is missing is named before anything is removed, and only where it is needed."""

import json
import time
from pathlib import Path

import pytest
import yaml

from pipeline import check
from pipeline.base import paths
from pipeline.base.inputs import Inputs
from pipeline.base.params import Params
from pipeline.base.stage import StageError
from tests.pipeline.experiment import PROJECT, write_experiment


@pytest.fixture(autouse=True)
def in_project(project, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(project / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    (project / "dvc.yaml").write_text((PROJECT / "dvc.yaml").read_text())


def load(**changes: object) -> Params:
    """The project's parameters with other values, as `loss__vgg19_weights=...`."""
    tree = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))
    for name, value in changes.items():
        section, key = name.split("__")
        tree[section][key] = value
    return Params.model_validate(tree)


def test_the_defaults_need_nothing():
    check.main(load())
    check.main(load(loss__perceptual_weight=0.01))


def test_weights_that_cannot_be_had_are_found_in_seconds():
    start = time.monotonic()
    with pytest.raises(StageError, match=r"'imagenet': .*-S loss\.vgg19_weights=embedded$"):
        check.main(load(loss__perceptual_weight=0.01, loss__vgg19_weights="imagenet"))
    assert time.monotonic() - start < 10


def test_a_folder_of_pictures_that_is_not_there_is_found():
    with pytest.raises(StageError, match=r"data\.path is 'photos', but .* does not exist"):
        check.main(load(data__source="folder", data__path="photos"))


def test_what_made_the_results_that_are_there_may_be_gone():
    params = load(
        data__source="folder",
        data__path="photos",
        loss__perceptual_weight=0.01,
        loss__vgg19_weights="imagenet",
    )
    write_experiment(params=params)
    paths.RAW.mkdir()
    meta = {"params": Inputs.of("fetch", params).params}
    (paths.RAW / "meta.json").write_text(json.dumps(meta))
    check.main(params)
    Path("models/training.json").unlink()
    with pytest.raises(StageError, match="imagenet"):
        check.main(params)
