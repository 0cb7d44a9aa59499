import csv
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline import evaluate, train
from pipeline.base import paths
from pipeline.base.inputs import Inputs
from pipeline.base.stage import StageError
from pipeline.perceptual.judges import find_judges
from pipeline.perceptual.loss import build_loss
from srcnn.perceptual import vgg19
from srcnn.perceptual.measures import VGGDistance
from tests.pipeline.experiment import PROJECT, load_params, write_experiment

CPU = torch.device("cpu")
SR, HR = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(i)) for i in (0, 1))


def load(evaluation=None, **loss):
    params = load_params(**(evaluation or {}))
    return params.model_copy(update={"loss": params.loss.model_copy(update=loss)})


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
        f"features.{convolution.index}.{part}": torch.full((1,), 0.01).expand(shape)
        for convolution in vgg19.CONVOLUTIONS.values()
        for part, shape in convolution.shapes.items()
    }
    path = tmp_path_factory.mktemp("weights") / "vgg.pth"
    torch.save(state, path)
    return path


def test_without_a_perceptual_weight_vgg19_is_never_imported():
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline import train; from pipeline.base import params\n"
        "from pipeline.perceptual.loss import build_loss\n"
        "import torch\n"
        "loss = build_loss(params.load(Path('params.yaml')).loss, torch.device('cpu'))\n"
        "assert set(loss(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8))) == {'pixel', 'loss'}\n"
        "print([m for m in ('torchvision', 'torchmetrics', 'srcnn.perceptual') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_loss_is_the_one_of_the_parameters():
    layers = {"relu1_2": 2.0, "conv2_1": 0.5}
    terms = build_loss(
        load(
            perceptual_weight=0.3,
            perceptual_layers=layers,
            perceptual_distance="l1",
            perceptual_feature_scale=0.5,
            vgg19_weights="random",
        ).loss,
        CPU,
    )(SR, HR)
    single = [
        build_loss(
            load(
                perceptual_weight=1.0,
                perceptual_layers={layer: 1.0},
                perceptual_distance="l1",
                vgg19_weights="random",
            ).loss,
            CPU,
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
    first, second = (build_loss(each.loss, CPU)(SR, HR)["perceptual"] for each in (params, other))
    assert float(first) == float(second) > 0


def test_a_blocked_download_stops_train_in_seconds_before_it_looks_at_the_data():
    start = time.monotonic()
    with pytest.raises(StageError) as caught:
        train.main(load(perceptual_weight=0.01))
    assert time.monotonic() - start < 10
    message = str(caught.value)
    assert message.startswith("loss.vgg19_weights is 'imagenet': ")
    for part in ("refused", "connect to the network once", "file of VGG19 weights", "take random"):
        assert part in message
    assert not Path("mlflow.db").exists()


def test_a_file_without_vgg19_is_one_clear_error():
    save_file({"features.0.weight": torch.zeros(64, 3, 5, 5)}, "wrong.safetensors")
    with pytest.raises(StageError, match=r"wrong\.safetensors is not a VGG19: .*features\.0"):
        train.main(load(perceptual_weight=0.01, vgg19_weights="wrong.safetensors"))


@pytest.mark.parametrize("weight", [0.0, 0.01])
def test_a_file_that_is_not_there_is_named_before_the_training(weight):
    with pytest.raises(StageError, match=r"loss\.vgg19_weights is 'no\.pth', but .*does not exist"):
        train.main(load(perceptual_weight=weight, vgg19_weights="no.pth"))


def test_the_training_key_knows_the_content_of_the_weights_file_where_it_matters():
    keys = {}
    for content in ("one", "other"):
        Path("vgg.pth").write_text(content)
        for weight in (0.0, 0.01):
            params = load(perceptual_weight=weight, vgg19_weights="vgg.pth")
            keys[content, weight] = Inputs.of("train", params).key()
    assert keys["one", 0.01] != keys["other", 0.01]
    assert keys["one", 0.0] == keys["other", 0.0]


def test_without_weights_nothing_judges_and_the_notes_say_why():
    judges = find_judges(load().loss, "auto", CPU)
    assert judges.measures == {}
    assert judges.vgg19_weights is None
    assert "not in torch's cache" in judges.notes["vgg19"]
    assert "evaluate.lpips=true" in judges.notes["lpips"]


def test_an_untrained_vgg19_does_not_judge():
    assert "vgg19" not in find_judges(load(vgg19_weights="random").loss, "auto", CPU).measures


def test_lpips_can_be_turned_off_or_insisted_on():
    judges = find_judges(load().loss, False, CPU)
    assert judges.notes["lpips"] == "evaluate.lpips is false"
    with pytest.raises(StageError, match=r"evaluate\.lpips is true: .*AlexNet.*refused"):
        find_judges(load().loss, True, CPU)


def test_without_torchmetrics_lpips_is_not_measured(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.image", None)
    assert "torchmetrics" in find_judges(load().loss, "auto", CPU).notes["lpips"]


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
