"""What a user does: dvc repro, dvc exp run, a comparison, and what MLflow then holds."""

import base64
import json
import re
from io import BytesIO

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data, io

from srcnn import model_files
from srcnn.hardware import choose_device, choose_precision
from srcnn.registry import NoModel
from tests.e2e.conftest import copy_of, curves

RESULTS = ("metrics/training.csv", "metrics/evaluation.json", "models/srcnn.safetensors")
UNTRAINED = "mse + 0.02 random (untrained) VGG19 mse (relu1_2)"
# On an untrained VGG19, of which the first layers do.
PERCEPTUAL = (
    *("-S", "loss.perceptual_weight=0.02"),
    *("-S", "loss.vgg19_weights=random"),
    *("-S", "~loss.perceptual_layers"),
    *("-S", "+loss.perceptual_layers={relu1_2: 1.0}"),
)
FROM_MIX = ["mix", "evaluate", "plot", "register"]
STAGES = ["check", "fetch", "grayscale-and-degrade", "train", "finetune", *FROM_MIX]


def test_repro_runs_every_stage_and_writes_every_result(finished):
    assert finished.ran(finished.first_output) == STAGES
    evaluation = json.loads(finished.read("metrics/evaluation.json"))
    scores = pd.read_csv(finished.folder / "metrics/per_image.csv")
    curve = pd.read_csv(finished.folder / "metrics/training.csv")
    test = scores[scores["set"] == "test"]
    assert np.isclose(evaluation["psnr"], test["psnr"].mean())
    assert np.isclose(evaluation["psnr_gain"], (test["psnr"] - test["psnr_bicubic"]).mean())
    assert list(curve["step"]) == list(range(0, 41, 5))
    assert curve["val_psnr"].notna().sum() == 3
    for figure in ("curves", "reconstructions", "snapshots", "gain_histogram"):
        assert finished.read(f"figures/{figure}.png").startswith(b"\x89PNG")


def test_second_repro_computes_nothing_and_adds_nothing(project):
    output = project.run("dvc", "repro")
    assert project.ran(output) == ["check", "register"]
    assert len(project.runs()) == 1
    assert len(project.client.search_model_versions("name = 'srcnn'")) == 1


def test_run_holds_parameters_curves_results_figures_data_and_model(finished):
    (run,) = finished.runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["train.steps"] == "40"
    assert run.data.params["model.srcnn.kernels"] == "[5, 1, 3]"
    assert run.data.params["evaluate.test_sets"] == "{}"
    history = finished.client.get_metric_history(run.info.run_id, "train/loss")
    curve = pd.read_csv(finished.folder / "metrics/training.csv").dropna(subset="train_loss")
    assert [(p.step, p.value) for p in history] == list(
        zip(curve["step"], curve["train_loss"], strict=True)
    )
    evaluation = json.loads(finished.read("metrics/evaluation.json"))
    assert run.data.metrics["test/psnr"] == evaluation["psnr"]
    assert run.data.metrics["test/ssim_bicubic"] == evaluation["ssim_bicubic"]
    precision = choose_precision("auto", choose_device("auto"))
    assert run.data.tags["trained_in"] == evaluation["trained_in"] == precision
    figures = finished.client.list_artifacts(run.info.run_id, "figures")
    assert "figures/reconstructions.png" in [figure.path for figure in figures]
    (used,) = run.inputs.dataset_inputs
    assert run.data.tags["data.pairs"] == used.dataset.digest
    assert re.fullmatch(r"main-[0-9a-f]{7,}", run.info.run_name)


def test_registered_champion_upscales_pictures_of_any_size(finished):
    store = f"sqlite:///{finished.folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)  # which another test in this process may have set
    version = finished.client.get_model_version_by_alias("srcnn", "champion")
    (run,) = finished.runs()
    assert version.run_id == run.info.run_id
    assert float(version.tags["test_psnr"]) > 10
    model = mlflow.pyfunc.load_model("models:/srcnn@champion")
    for size in ((20, 31), (16, 16)):
        buffer = BytesIO()
        Image.new("RGB", size, (50, 120, 190)).save(buffer, "PNG")
        sent = pd.DataFrame({"picture": [base64.b64encode(buffer.getvalue()).decode()]})
        (answer,) = model.predict(sent)["picture"]
        sr = Image.open(BytesIO(base64.b64decode(answer)))
        assert sr.size == (size[0] * 4, size[1] * 4)
        assert np.abs(np.asarray(sr).astype(int) - (50, 120, 190)).max() < 50


def test_library_finds_the_model_by_alias_version_and_run(finished, monkeypatch):
    monkeypatch.chdir(finished.folder / "src")  # the store is found above
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (run,) = finished.runs()
    for reference in ("models:/srcnn@champion", "models:/srcnn/1", f"runs:/{run.info.run_id}"):
        model = model_files.load(reference)
        assert model.run_id == run.info.run_id
        assert model.resolver.to_bytes() == finished.read("models/srcnn.safetensors")
    for reference in ("models:/srcnn@nobody", "models:/other", "runs:/nobody", "models:/srcnn/99"):
        with pytest.raises(NoModel, match="dvc repro"):
            model_files.load(reference)


@pytest.fixture(scope="module")
def compared(finished, tmp_path_factory):
    """A clone with two experiments: the first one, and one with a perceptual loss."""
    folder = tmp_path_factory.mktemp("compared")
    project = copy_of(finished, folder / "project")
    project.settings["TORCH_HOME"] = str(folder / "home")  # without LPIPS's network
    project.first_output = project.run("dvc", "exp", "run", "-n", "perceptual", *PERCEPTUAL)
    return project


def test_a_perceptual_weight_reruns_finetune_onward_in_a_run_of_its_own(compared):
    ran = compared.ran(compared.first_output)
    assert ran == ["check", "finetune", *FROM_MIX]
    first, second = compared.runs()[:2]
    assert second.info.run_name == "perceptual"
    assert second.info.status == "FINISHED"
    assert second.data.tags["dvc.experiment"] == "perceptual"
    assert second.data.params["loss.perceptual_weight"] == "0.02"
    assert second.data.metrics["test/psnr"] != first.data.metrics["test/psnr"]
    assert "perceptual" in compared.run("dvc", "exp", "show", "--csv")


def test_a_perceptual_experiment_says_everywhere_what_it_was_trained_with(compared):
    whole = pd.read_csv(compared.folder / "metrics/training.csv").dropna(subset="train_loss")
    assert list(whole["step"]) == list(range(5, 61, 5))
    curve = whole.query("step > 40")  # of finetune
    weighted = curve["train_perceptual_weighted"]
    assert weighted.iloc[0] > 0
    assert ((0.02 * curve["train_perceptual"] - weighted).abs() < 1e-6).all()
    assert ((curve["train_pixel"] + weighted - curve["train_loss"]).abs() < 1e-6).all()

    evaluation = json.loads(compared.read("metrics/evaluation.json"))
    assert evaluation["loss"] == UNTRAINED
    assert evaluation["vgg19"] > 0  # judged by a trained VGG19
    assert evaluation["vgg19_weights"].startswith("embedded (sha256 ")
    assert evaluation["lpips"] is None
    assert evaluation["lpips_note"].startswith("not measured (")

    run = compared.runs()[1]
    assert run.data.params["loss.perceptual_layers.relu1_2"] == "1.0"
    assert "loss.perceptual_layers.conv5_4" not in run.data.params
    assert run.data.tags["loss"] == UNTRAINED
    assert UNTRAINED in run.data.tags["mlflow.note.content"]
    assert run.data.tags["vgg19_weights"] == evaluation["vgg19_weights"]
    assert run.data.tags["lpips_note"] == evaluation["lpips_note"]
    for term in ("perceptual", "perceptual_weighted", "pixel", "loss"):
        points = compared.client.get_metric_history(run.info.run_id, f"train/{term}")
        assert [p.value for p in points] == list(whole[f"train_{term}"].dropna())


def test_parameters_that_were_run_before_bring_their_results_back(compared, tmp_path):
    project = copy_of(compared, tmp_path / "project")
    before = {path: project.read(path) for path in RESULTS}
    project.run("git", "restore", "params.yaml")
    assert project.ran(project.run("dvc", "repro")) == ["check", "register"]
    first = {path: project.read(path) for path in RESULTS}
    assert first["metrics/training.csv"] != before["metrics/training.csv"]
    output = project.run("dvc", "exp", "run", *PERCEPTUAL)
    assert project.ran(output) == ["check", "register"]
    assert {path: project.read(path) for path in RESULTS} == before
    assert len(project.runs()) == 2


def test_experiments_are_compared_from_mlflow_alone(compared):
    first, second = compared.runs()[:2]
    output = compared.run("python", "-m", "pipeline.compare", first.info.run_name, "perceptual")
    assert f"A  {first.info.run_name} (run {first.info.run_id[:8]}): mse" in output
    assert f"B  perceptual (run {second.info.run_id[:8]}): {UNTRAINED}" in output
    assert "loss.perceptual_weight  0.0  0.02" in re.sub(" {3,}", "  ", output)
    difference = second.data.metrics["test/psnr"] - first.data.metrics["test/psnr"]
    assert f"{difference:+.2f}".replace("-", "−") in output
    # 12 test pictures: LR, bicubic, A, B and HR
    assert compared.read("comparison.html").count(b"data:image/png;base64,") == 60


def test_parameters_of_the_evaluation_and_of_the_mixture_train_nothing(compared):
    perceptual = compared.runs()[1]
    pictures = compared.folder / "data" / "camera"
    pictures.mkdir()
    io.imsave(pictures / "camera.png", data.camera()[:128, :128])
    # relative to the project's root
    setting = "+evaluate.test_sets.Camera=data/camera"
    more = ("-S", setting, "-S", "finetune.mix=0.5")
    output = compared.run("dvc", "exp", "run", *PERCEPTUAL, *more)
    assert compared.ran(output) == ["check", *FROM_MIX]
    scored = compared.runs()[-1]
    assert scored.data.tags["pipeline.training_run"] == perceptual.info.run_id
    assert scored.data.metrics["test-Camera/psnr"] > 15
    assert scored.data.metrics["test/psnr"] != perceptual.data.metrics["test/psnr"]
    assert curves(compared.client, scored, "val/psnr") == curves(
        compared.client, perceptual, "val/psnr"
    )


def test_champion_has_the_best_validation_gain(compared):
    versions = compared.client.search_model_versions("name = 'srcnn'")
    gains = {version.version: float(version.tags["val_psnr_gain"]) for version in versions}
    champion = compared.client.get_model_version_by_alias("srcnn", "champion")
    assert len(versions) == len(compared.runs()) >= 2
    assert gains[champion.version] == max(gains.values())
