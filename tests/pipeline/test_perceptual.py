import csv
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline import check, evaluate, finetune
from pipeline.perceptual.measures import find_measures
from pipeline.stage import StageError, paths
from pipeline.stage.inputs import Inputs
from pipeline.training.loss import build_loss
from srcnn.perceptual import embedded, vgg19
from srcnn.perceptual.loss import PerceptualLoss
from srcnn.scoring.learned import VGGDistance
from srcnn.scoring.measures import GMSD, LPIPS, PSNR, SSIM, VGG19
from tests.pipeline.experiment import ENVIRONMENT, PROJECT, load_params, write_experiment

CPU = torch.device("cpu")
SR, HR = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(i)) for i in (0, 1))


def load(evaluation=None, **loss):
    params = load_params(**(evaluation or {}))
    return params.model_copy(update={"loss": params.loss.model_copy(update=loss)})


def built(params):
    return build_loss(params, "full", CPU, "float32", 1)


def refuse(*_, **__):
    raise ConnectionRefusedError("refused")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """An empty project without network and without weights in torch's cache."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()


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


def test_without_a_perceptual_weight_vgg19_is_never_imported():
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline import check, finetune, train; from pipeline.stage import params\n"
        "from pipeline.training.loss import build_loss\n"
        "import torch\n"
        "given = params.load(Path('params.yaml'))\n"
        "loss = build_loss(given, 'full', torch.device('cpu'), 'float32', 1)\n"
        "assert set(loss(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8))) == {'pixel', 'loss'}\n"
        "print([m for m in ('torchvision', 'torchmetrics', 'srcnn.perceptual') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_loss_is_the_one_of_the_parameters():
    layers = {"relu1_2": 2.0, "conv2_1": 0.5}
    terms = built(
        load(
            perceptual_weight=0.3,
            perceptual_layers=layers,
            perceptual_distance="l1",
            perceptual_feature_scale=0.5,
            vgg19_weights="random",
        )
    )(SR, HR)
    single = [
        built(
            load(
                perceptual_weight=1.0,
                perceptual_layers={layer: 1.0},
                perceptual_distance="l1",
                vgg19_weights="random",
            )
        )(SR, HR)["perceptual"]
        for layer in layers
    ]
    torch.testing.assert_close(terms["perceptual"], 0.5 * (2.0 * single[0] + 0.5 * single[1]))
    torch.testing.assert_close(terms["loss"], terms["pixel"] + 0.3 * terms["perceptual"])


def test_random_is_the_same_network_whatever_the_seed():
    settings = {
        "perceptual_weight": 1.0,
        "perceptual_layers": {"relu2_2": 1.0},
        "vgg19_weights": "random",
    }
    params = load(**settings)
    other = params.model_copy(update={"seed": params.seed + 1})
    first, second = (built(each)(SR, HR)["perceptual"] for each in (params, other))
    assert float(first) == float(second) > 0


def test_a_blocked_download_stops_finetune_in_seconds_before_it_looks_at_the_data():
    start = time.monotonic()
    with pytest.raises(StageError) as caught:
        finetune.main(load(perceptual_weight=0.01, vgg19_weights="imagenet"))
    assert time.monotonic() - start < 10
    message = str(caught.value)
    assert message.startswith("loss.vgg19_weights is 'imagenet': ")
    for part in ("refused", "take embedded", "file of VGG19 weights", "connect to the network"):
        assert part in message
    assert message.endswith("-S loss.vgg19_weights=embedded")
    assert not Path("mlflow.db").exists()


@pytest.mark.parametrize("stage", [check, finetune])
def test_a_file_without_vgg19_is_one_clear_error(stage):
    save_file({"features.0.weight": torch.zeros(64, 3, 5, 5)}, "wrong.safetensors")
    with pytest.raises(StageError, match=r"wrong\.safetensors is not a VGG19: .*features\.0"):
        stage.main(load(perceptual_weight=0.01, vgg19_weights="wrong.safetensors"))


@pytest.mark.parametrize("stage", [check, finetune])
@pytest.mark.parametrize("weight", [0.0, 0.01])
def test_a_file_that_is_not_there_is_named_before_the_training(stage, weight):
    with pytest.raises(StageError, match=r"loss\.vgg19_weights is 'no\.pth', but .*does not exist"):
        stage.main(load(perceptual_weight=weight, vgg19_weights="no.pth"))


def test_the_training_key_knows_the_content_of_the_weights_file_where_it_matters():
    keys = {}
    for content in ("one", "other"):
        Path("vgg.pth").write_text(content)
        for weight in (0.0, 0.01):
            params = load(perceptual_weight=weight, vgg19_weights="vgg.pth")
            keys[content, weight] = Inputs.of("finetune", params).key(ENVIRONMENT)
    assert keys["one", 0.01] != keys["other", 0.01]
    assert keys["one", 0.0] == keys["other", 0.0]


def test_by_default_the_loss_is_of_the_vgg19_inside_and_needs_no_network():
    layers = {"relu2_2": 1.0}
    perceptual = PerceptualLoss(layers, "embedded")(SR, HR)
    terms = built(load(perceptual_weight=0.01, perceptual_layers=layers))(SR, HR)
    assert terms["perceptual"] == perceptual > 0


def find(params):
    return find_measures(params.loss, params.evaluate, CPU)


def put_into_cache(content):
    cache = Path(os.environ["TORCH_HOME"], "hub", "checkpoints")
    cache.mkdir(parents=True)
    (cache / "vgg19-dcbb9e9d.pth").write_bytes(content)


@pytest.mark.parametrize(
    ("trained_with", "perceptual_weight", "in_cache", "judge"),
    [
        ("embedded", 0.0, "vgg19", "embedded (sha256 "),
        ("embedded", 0.01, "nothing", "embedded (sha256 "),
        ("random", 0.01, "vgg19", "embedded (sha256 "),  # untrained, it may teach but not judge
        ("imagenet", 0.01, "vgg19", "imagenet"),
        ("imagenet", 0.0, "nothing", "embedded (sha256 "),
        ("imagenet", 0.01, "damaged", "embedded (sha256 "),
        ("a file", 0.0, "vgg19", "vgg.pth (sha256 "),
        ("a file", 0.01, "nothing", "vgg.pth (sha256 "),
    ],
)
def test_whose_weights_judge(weights, trained_with, perceptual_weight, in_cache, judge):
    if in_cache != "nothing":
        put_into_cache(weights.read_bytes() if in_cache == "vgg19" else b"damaged")
    file = str(weights) if trained_with == "a file" else trained_with
    found = find(load({"lpips": False}, vgg19_weights=file, perceptual_weight=perceptual_weight))
    assert found.functions[VGG19].weights.startswith(judge)
    assert "vgg19" not in found.notes


def test_other_weights_are_another_judge(weights):
    gray = np.random.default_rng(0).integers(0, 256, (2, 16, 16), dtype=np.uint8)
    inside, mine = (
        find(load({"lpips": False}, vgg19_weights=name)).functions[VGG19].take(*gray, "full")
        for name in ("embedded", str(weights))
    )
    assert inside == VGGDistance("embedded")(*gray)
    assert mine == VGGDistance(weights)(*gray) != inside


def test_a_damaged_installation_stops_a_perceptual_training_and_no_evaluation(monkeypatch):
    Path("vgg19.safetensors").write_bytes(b"damaged")
    monkeypatch.setattr(embedded, "FILE", Path("vgg19.safetensors"))
    found = find(load({"lpips": False}))
    assert found.functions.keys() == {PSNR, SSIM, GMSD}
    assert "install it again" in found.notes["vgg19"]
    with pytest.raises(StageError, match=r"is 'embedded': vgg19\.safetensors.*damaged"):
        built(load(perceptual_weight=0.01))


def test_without_its_network_lpips_does_not_judge_and_the_note_says_why():
    found = find(load())
    assert LPIPS not in found.functions
    assert "evaluate.lpips=true" in found.notes["lpips"]


def test_lpips_can_be_turned_off_or_insisted_on():
    assert find(load({"lpips": False})).notes["lpips"] == "evaluate.lpips is false"
    with pytest.raises(StageError, match=r"evaluate\.lpips is true: .*AlexNet.*refused"):
        find(load({"lpips": True}))


def test_without_torchmetrics_lpips_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub/checkpoints/alexnet-0.pth"
    cached.parent.mkdir(parents=True)
    cached.touch()
    monkeypatch.setitem(sys.modules, "torchmetrics.image", None)
    note = find(load()).notes["lpips"]
    assert "torchmetrics" in note
    assert "downloads" not in note


def read_results():
    with paths.PER_IMAGE.open(newline="") as file:
        return list(csv.DictReader(file)), json.loads(paths.EVALUATION.read_text())


def test_the_vgg19_distance_of_both_is_in_the_table_and_the_summary(weights):
    params = load({"perceptual_pictures": 3}, vgg19_weights=str(weights))
    write_experiment(params=params)
    evaluate.main(params)

    rows, figures = read_results()
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


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ({"perceptual_weight": 0.0}, "mse"),
        ({"perceptual_weight": 0.01}, "mse + 0.01 VGG19 mse (conv5_4)"),
        (
            {"perceptual_weight": 0.01, "vgg19_weights": "random", "pixel": "l1"},
            "l1 + 0.01 random (untrained) VGG19 mse (conv5_4)",
        ),
    ],
)
def test_the_results_say_what_the_network_was_trained_with(loss, said):
    write_experiment(params=load(**loss))
    evaluate.main(load())  # params.yaml was changed since
    assert read_results()[1]["loss"] == said
