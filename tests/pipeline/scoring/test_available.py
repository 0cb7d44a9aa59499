"""The measures that can be taken here, with whose weights, and what is said of the others."""

import csv
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
from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, writing_pairs
from srcnn.perceptual import embedded, vgg19
from srcnn.scoring import niqe
from srcnn.scoring.classical import lr_psnr
from srcnn.scoring.learned import VGGDistance
from srcnn.scoring.measures import GMSD, LPIPS, LR_PSNR, NIQE, PSNR, SSIM, VGG19
from tests.pipeline.experiment import load_params, picture, write_experiment

CPU = torch.device("cpu")


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


def find(params):
    return find_measures(params.loss, params.evaluate, CPU)


def put_into_cache(content):
    cache = Path(os.environ["TORCH_HOME"], "hub", "checkpoints")
    cache.mkdir(parents=True)
    (cache / "vgg19-dcbb9e9d.pth").write_bytes(content)


@pytest.mark.parametrize(
    ("trained_with", "perceptual_weight", "in_cache", "measured_with"),
    [
        ("embedded", 0.01, "nothing", "embedded (sha256 "),
        ("random", 0.01, "vgg19", "embedded (sha256 "),  # untrained, it may teach but not measure
        ("imagenet", 0.01, "vgg19", "imagenet"),
        ("imagenet", 0.0, "nothing", "embedded (sha256 "),
        ("a file", 0.01, "nothing", "vgg.pth (sha256 "),
    ],
)
def test_whose_weights_measure(weights, trained_with, perceptual_weight, in_cache, measured_with):
    if in_cache == "vgg19":
        put_into_cache(weights.read_bytes())
    file = str(weights) if trained_with == "a file" else trained_with
    found = find(load(False, vgg19_weights=file, perceptual_weight=perceptual_weight))
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
    with writing_pairs(Path(), 2, "full") as add:
        for split, hr in hrs.items():
            for i in range(9):
                add(f"{split}{i}", split, split, hr, downscale(hr, 2))
    pairs = Pairs.open(Path())
    params = load(False)
    with_pairs, without = (
        find_measures(params.loss, params.evaluate, CPU, given) for given in (pairs, None)
    )
    natural = with_pairs.functions[NIQE].weights
    assert natural == niqe.fitted_niqe([hrs["train"]] * 9).fitted_to
    assert with_pairs.functions[LR_PSNR].take(hrs["val"], hrs["test"], "full") == lr_psnr(
        hrs["val"], hrs["test"], 2
    )
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


def test_without_torchmetrics_lpips_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub/checkpoints/alexnet-owt-7be5be79.pth"
    cached.parent.mkdir(parents=True)
    cached.touch()
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image.lpips", None)
    note = find(load()).notes["lpips"]
    assert "torchmetrics" in note
    assert "downloads" not in note


def read_results():
    with paths.PER_IMAGE.open(newline="") as file:
        return list(csv.DictReader(file)), json.loads(paths.EVALUATION.read_text())


def test_the_vgg19_distance_of_both_is_in_the_table_and_the_summary(weights):
    write_experiment(params=load(vgg19_weights=str(weights), perceptual_weight=0.01, pixel="l1"))
    evaluate.main(load_params({"evaluate.perceptual_pictures": 3}))  # of another loss since

    rows, figures = read_results()
    assert figures["loss"] == "l1 + 0.01 VGG19 mse (conv5_4)"
    assert figures["vgg19_weights"].startswith("vgg.pth (sha256 ")
    measured = [row for row in rows if row["vgg19"]]
    assert [row["id"] for row in measured] == ["p2", "p3", "p5"]  # evenly spaced over p2 .. p6
    assert (figures["pictures"], figures["vgg19_pictures"]) == (5, 3)
    sr, bicubic = (
        np.array([float(row[name]) for row in measured]) for name in ("vgg19", "vgg19_bicubic")
    )
    assert figures["vgg19"] == pytest.approx(sr.mean(), abs=2e-6)
    assert figures["vgg19_gain"] == pytest.approx((bicubic - sr).mean(), abs=2e-6)
    assert "vgg19_note" not in figures
    assert figures["lpips"] is None
    assert figures["lpips_note"].startswith("not measured (AlexNet is not in torch's cache")
    assert {row["lpips"] for row in rows} == {""}


def test_pictures_too_small_for_vgg19_are_left_out_and_that_is_said(weights, monkeypatch):
    monkeypatch.setattr(VGGDistance, "smallest", 64)
    params = load(vgg19_weights=str(weights))
    write_experiment(params=params)
    evaluate.main(params)

    _, figures = read_results()
    assert (figures["vgg19"], figures["vgg19_pictures"]) == (None, 0)
    assert figures["vgg19_note"] == (
        "not measured (without its border no picture is as large as 64x64)"
    )
