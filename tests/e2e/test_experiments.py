"""What a user does: dvc repro, dvc exp run in all its ways, and what MLflow then holds."""

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
from tests.e2e.conftest import copy_of

RESULTS = ("metrics/training.csv", "metrics/evaluation.json", "models/srcnn.safetensors")
STAGES = ["check", "fetch", "grayscale-and-degrade", "train", "evaluate", "plot", "register"]


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
    assert run.data.params["model.kernels"] == "[5, 1, 3]"
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
def with_l1(finished, tmp_path_factory):
    """A clone with two experiments: the first one, and one with another pixel loss."""
    project = copy_of(finished, tmp_path_factory.mktemp("with-l1") / "project")
    project.first_output = project.run("dvc", "exp", "run", "-n", "l1-loss", "-S", "loss.pixel=l1")
    return project


def test_loss_parameter_reruns_train_onward_in_a_run_of_its_own(with_l1):
    assert with_l1.ran(with_l1.first_output) == ["check", "train", "evaluate", "plot", "register"]
    first, second = with_l1.runs()[:2]
    assert second.info.run_name == "l1-loss"
    assert second.data.tags["dvc.experiment"] == "l1-loss"
    assert second.data.params["loss.pixel"] == "l1"
    assert second.data.metrics["test/psnr"] != first.data.metrics["test/psnr"]
    assert "l1-loss" in with_l1.run("dvc", "exp", "show", "--csv")


def test_parameters_that_were_run_before_bring_their_results_back(with_l1, tmp_path):
    project = copy_of(with_l1, tmp_path / "project")
    before = {path: project.read(path) for path in RESULTS}
    project.run("git", "restore", "params.yaml")
    assert project.ran(project.run("dvc", "repro")) == ["check", "register"]
    first = {path: project.read(path) for path in RESULTS}
    assert first["metrics/training.csv"] != before["metrics/training.csv"]
    output = project.run("dvc", "exp", "run", "-S", "loss.pixel=l1")
    assert project.ran(output) == ["check", "register"]
    assert {path: project.read(path) for path in RESULTS} == before
    assert len(project.runs()) == 2


def test_experiments_are_compared_from_mlflow_alone(with_l1):
    first, second = with_l1.runs()[:2]
    output = with_l1.run("python", "-m", "pipeline.compare", first.info.run_name, "l1-loss")
    assert f"A  {first.info.run_name} (run {first.info.run_id[:8]}): mse" in output
    assert "loss.pixel  mse  l1" in output
    difference = second.data.metrics["test/psnr"] - first.data.metrics["test/psnr"]
    assert f"{difference:+.2f}".replace("-", "−") in output
    # 12 test pictures: LR, bicubic, A, B and HR
    assert with_l1.read("comparison.html").count(b"data:image/png;base64,") == 60


def test_evaluation_parameter_does_not_retrain(with_l1):
    l1 = with_l1.runs()[1]
    pictures = with_l1.folder / "data" / "camera"
    pictures.mkdir()
    io.imsave(pictures / "camera.png", data.camera()[:128, :128])
    # relative to the project's root
    setting = "+evaluate.test_sets.Camera=data/camera"
    output = with_l1.run("dvc", "exp", "run", "-S", "loss.pixel=l1", "-S", setting)
    assert "train" not in with_l1.ran(output)
    assert with_l1.ran(output)[-1] == "register"
    scored = with_l1.runs()[-1]
    assert scored.data.tags["pipeline.training_run"] == l1.info.run_id
    assert scored.data.metrics["test-Camera/psnr"] > 15
    runs = (l1, scored)
    curves = [with_l1.client.get_metric_history(r.info.run_id, "val/psnr") for r in runs]
    assert [p.value for p in curves[0]] == [p.value for p in curves[1]]


def test_champion_has_the_best_validation_gain(with_l1):
    versions = with_l1.client.search_model_versions("name = 'srcnn'")
    gains = {version.version: float(version.tags["val_psnr_gain"]) for version in versions}
    champion = with_l1.client.get_model_version_by_alias("srcnn", "champion")
    assert len(versions) == len(with_l1.runs()) >= 2
    assert gains[champion.version] == max(gains.values())


def test_two_queued_experiments_at_once_one_with_changed_code(project):
    losses = project.folder / "src/srcnn/losses.py"
    original = losses.read_text()
    queue = ("dvc", "exp", "run", "--queue", "-S", "loss.pixel=mse", "-S", "train.lr=0.0005")
    project.run(*queue, "-n", "plain")
    changed = original.replace('"mse": F.mse_loss', '"mse": lambda a, b: 7 + F.mse_loss(a, b)')
    assert changed != original
    losses.write_text(changed)
    project.run(*queue, "-n", "changed")
    losses.write_text(original)
    project.run("dvc", "queue", "start", "--jobs", "2")
    project.wait_for_queue()
    by_name = {run.info.run_name: run for run in project.runs()}
    assert len(project.runs()) == 3
    assert by_name["plain"].data.metrics["train/loss"] < 1
    assert by_name["changed"].data.metrics["train/loss"] > 7
    assert by_name["plain"].info.status == by_name["changed"].info.status == "FINISHED"
