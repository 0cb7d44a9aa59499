"""Every network goes through all stages, and is found in the registry."""

import json

import pytest

from pipeline import register
from pipeline.stage import params, paths
from srcnn.inference import model_files
from srcnn.networks import NETWORKS
from tests.support import small_project
from tests.support.models import network
from tests.support.params import write_params


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "srcnn"])  # of all others
@pytest.mark.usefixtures("classical_measures")
def test_a_network_goes_through_all_stages(project, monkeypatch, name):
    small_project.make(project)
    small_project.enter(project, monkeypatch)
    settings = network(name).settings.items()
    changes = {f"model.{name}.{setting}": value for setting, value in settings}
    changes |= {"model.name": name, "finetune.control": True, "finetune.mix": 0.5}
    write_params(project, small_project.PARAMS | changes)
    small_project.run_stages()
    register.main(params.load())
    model = model_files.load("models:/srcnn@champion").resolver
    assert model.model.name == name
    assert model.to_bytes() == paths.WEIGHTS.read_bytes()
    assert json.loads(paths.EVALUATION.read_text())["network"] == model.model.label
