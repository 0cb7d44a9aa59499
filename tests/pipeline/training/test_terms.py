"""The loss that params.yaml asks for, and the weights of its VGG19."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from pipeline.stage import StageError
from pipeline.stage.inputs import Inputs
from pipeline.training import terms as building
from srcnn.perceptual import embedded
from srcnn.perceptual.loss import PerceptualLoss
from tests.pipeline.experiment import ENVIRONMENT
from tests.support.params import declare_stages, params_with

SR, HR = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
RELU = {"perceptual_layers": {"relu2_2": 1.0}}


def load(seed=0, **loss):
    return params_with({"seed": seed} | {f"loss.{name}": value for name, value in loss.items()})


def terms(params):
    return building.build_loss(params, "full", torch.device("cpu"), "float32", 1)(SR, HR)


@pytest.fixture(autouse=True)
def stages(offline):
    declare_stages(offline)


def test_without_a_perceptual_weight_vgg19_is_never_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "srcnn.perceptual.loss", None)  # an import of it fails
    importlib.reload(building)
    assert set(terms(load())) == {"pixel", "loss"}
    with pytest.raises(ImportError):
        terms(load(perceptual_weight=0.01))


def test_the_loss_is_the_one_of_the_parameters():
    settings = {"perceptual_distance": "l1", "vgg19_weights": "random"}
    layers = {"relu1_2": 2.0, "conv2_1": 0.5}
    asked = {"perceptual_layers": layers, "perceptual_feature_scale": 0.5}
    both = terms(load(**settings, **asked, perceptual_weight=0.3))
    single = [
        terms(load(**settings, perceptual_layers={layer: 1.0}, perceptual_weight=1.0))["perceptual"]
        for layer in layers
    ]
    torch.testing.assert_close(both["perceptual"], 0.5 * (2.0 * single[0] + 0.5 * single[1]))
    summed = both["pixel"] + 0.3 * both["perceptual"] + both["lattice_weighted"]
    torch.testing.assert_close(both["loss"], summed)
    without = terms(load(**settings, **asked, perceptual_weight=0.3, lattice_weight=0.0))
    assert "lattice" not in without


def test_by_default_the_loss_is_of_the_vgg19_inside_and_needs_no_network():
    perceptual = PerceptualLoss(RELU["perceptual_layers"], "embedded")(SR, HR)
    assert terms(load(perceptual_weight=0.01, **RELU))["perceptual"] == perceptual > 0


def test_random_is_the_same_network_whatever_the_seed():
    random = {"perceptual_weight": 1.0, "vgg19_weights": "random"} | RELU
    first, second = (float(terms(load(seed, **random))["perceptual"]) for seed in (0, 1))
    assert first == second > 0


def test_a_damaged_installation_stops_a_perceptual_training(monkeypatch):
    Path("vgg19.safetensors").write_bytes(b"damaged")
    monkeypatch.setattr(embedded, "FILE", Path("vgg19.safetensors"))
    with pytest.raises(StageError, match=r"is 'embedded': vgg19\.safetensors.*damaged"):
        terms(load(perceptual_weight=0.01))


def test_the_training_key_knows_the_content_of_the_weights_file_where_it_matters():
    keys = {}
    for content in ("one", "other"):
        Path("vgg.pth").write_text(content)
        for weight in (0.0, 0.01):
            params = load(perceptual_weight=weight, vgg19_weights="vgg.pth")
            keys[content, weight] = Inputs.of("finetune", params).key(ENVIRONMENT)
    assert keys["one", 0.01] != keys["other", 0.01]
    assert keys["one", 0.0] == keys["other", 0.0]
