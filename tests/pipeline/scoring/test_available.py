"""The measures that can be taken here, with whose weights, and what is said of the others."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import evaluate
from pipeline.scoring.available import find_measures
from pipeline.stage import StageError, paths
from srcnn.perceptual import embedded, vgg19
from srcnn.scoring import niqe
from srcnn.scoring.classical import lr_psnr
from srcnn.scoring.learned import VGGDistance
from srcnn.scoring.measures import GMSD, LPIPS, LR_PSNR, NIQE, PSNR, SSIM, VGG19
from srcnn.scoring.scores import read_scores
from tests.pipeline.experiment import load_params, picture, write_experiment
from tests.support.pairs import write_pairs


def load(lpips="auto", **loss):
    changes = {f"loss.{name}": value for name, value in loss.items()}
    return load_params({"evaluate.lpips": lpips} | changes)


pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A VGG19 whose every weight is the same, which keeps the file small."""
    state = {
        f"features.{convolution.place}.{part}": torch.full((1,), 0.01).expand(shape)
        for convolution in vgg19.CONVOLUTIONS.values()
        for part, shape in convolution.shapes.items()
    }
    path = tmp_path_factory.mktemp("weights") / "vgg.pth"
    torch.save(state, path)
    return path


def find(params, pairs=None):
    return find_measures(params.loss, params.evaluate, torch.device("cpu"), pairs)


def put_into_cache(name, content):
    cache = Path(os.environ["TORCH_HOME"], "hub", "checkpoints")
    cache.mkdir(parents=True)
    (cache / name).write_bytes(content)


@pytest.mark.parametrize(
    ("trained_with", "cached", "measured_with"),
    [
        ("random", True, "embedded (sha256 "),  # untrained, it may teach but not measure
        ("imagenet", True, "imagenet"),
        ("imagenet", False, "embedded (sha256 "),
    ],
)
def test_whose_weights_measure(weights, trained_with, cached, measured_with):
    if cached:
        put_into_cache("vgg19-dcbb9e9d.pth", weights.read_bytes())
    found = find(load(False, vgg19_weights=trained_with))
    assert found.functions[VGG19].weights.startswith(measured_with)
    assert "vgg19" not in found.notes


def test_a_damaged_installation_stops_no_evaluation(monkeypatch):
    Path("vgg19.safetensors").write_bytes(b"damaged")
    monkeypatch.setattr(embedded, "FILE", Path("vgg19.safetensors"))
    found = find(load(False))
    assert found.functions.keys() == {PSNR, SSIM, GMSD}
    assert "install it again" in found.notes["vgg19"]


def test_what_is_natural_is_what_training_pictures_show():
    hrs = {split: picture(i, 240, 240) for i, split in enumerate(("train", "val", "test"))}
    pairs = write_pairs(Path(), 2, [each for each in hrs.items() for _ in range(9)])
    with_pairs, without = find(load(False), pairs), find(load(False))
    natural = with_pairs.functions[NIQE].weights
    assert natural == niqe.fitted_niqe([hrs["train"]] * 9).fitted_to
    pair = hrs["val"], hrs["test"]
    assert with_pairs.functions[LR_PSNR].take(*pair, "full") == lr_psnr(*pair, 2)
    assert {"niqe", "lr_psnr"} <= without.notes.keys()


def test_without_its_network_lpips_is_not_measured_but_can_be_insisted_on():
    found = find(load())
    assert LPIPS not in found.functions
    assert "evaluate.lpips=true" in found.notes["lpips"]
    assert find(load(False)).notes["lpips"] == "evaluate.lpips is false"
    with pytest.raises(StageError, match=r"evaluate\.lpips is true: .*AlexNet.*refused"):
        find(load(True))
    with pytest.raises(StageError, match=r"lpips is .*alex\.pth does not exist"):
        find(load("alex.pth"))


def test_without_torchmetrics_lpips_is_not_measured(monkeypatch):
    put_into_cache("alexnet-owt-7be5be79.pth", b"")
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image.lpips", None)
    note = find(load()).notes["lpips"]
    assert "torchmetrics" in note
    assert "downloads" not in note


def test_the_vgg19_distance_is_of_some_pictures_and_which_are_too_small_is_said(
    weights, monkeypatch
):
    write_experiment(params=load(vgg19_weights=str(weights), perceptual_weight=0.01, pixel="l1"))
    evaluate.main(load_params({"evaluate.perceptual_pictures": 3}))  # of another loss since
    scores = read_scores(paths.PER_IMAGE)["test"]
    figures = json.loads(paths.EVALUATION.read_text())
    assert figures["loss"] == "l1 + 0.01 VGG19 mse (conv5_4)"
    assert figures["vgg19_weights"].startswith("vgg.pth (sha256 ")
    measured = [score for score in scores if "vgg19" in score.sr]
    assert [score.id for score in measured] == ["p2", "p3", "p5"]  # evenly spaced over p2 .. p6
    assert (figures["pictures"], figures["vgg19_pictures"]) == (5, 3)
    gain = np.mean([score.bicubic["vgg19"] - score.sr["vgg19"] for score in measured])
    assert figures["vgg19_gain"] == pytest.approx(gain, abs=2e-6)
    assert "vgg19_note" not in figures
    assert figures["lpips"] is None
    assert figures["lpips_note"].startswith("not measured (AlexNet is not in torch's cache")

    monkeypatch.setattr(VGGDistance, "smallest", 64)
    evaluate.main(load_params())
    figures = json.loads(paths.EVALUATION.read_text())
    assert (figures["vgg19"], figures["vgg19_pictures"]) == (None, 0)
    assert "without its border no picture is as large as 64x64" in figures["vgg19_note"]
