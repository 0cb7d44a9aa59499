"""Every network goes through all stages, and is found in the registry."""

import json

import pytest

from pipeline import register
from pipeline.stage import params, paths
from srcnn.inference import model_files
from srcnn.networks import NETWORKS
from tests.support import small_project
from tests.support.params import write_params

SMALL = {
    "model.fsrcnn.d": 6,
    "model.fsrcnn.s": 4,
    "model.fsrcnn.m": 1,
    "model.espcn.channels": [6, 4],
    "model.srresnet.blocks": 1,
    "model.srresnet.features": 4,
    "finetune.control": True,
    "finetune.mix": 0.5,
}


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "srcnn"])  # of all others
@pytest.mark.usefixtures("classical_measures")
def test_a_network_goes_through_all_stages(project, monkeypatch, name):
    small_project.make(project)
    small_project.enter(project, monkeypatch)
    write_params(project, small_project.PARAMS | SMALL | {"model.name": name})
    small_project.run_stages()
    register.main(params.load())
    model = model_files.load("models:/srcnn@champion").resolver
    assert model.model.name == name
    assert model.to_bytes() == paths.WEIGHTS.read_bytes()
    assert json.loads(paths.EVALUATION.read_text())["network"] == model.model.label
