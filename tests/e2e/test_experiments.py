"""What a user does: dvc repro, dvc exp run, a comparison, and what MLflow then holds."""

import base64
import json
import re

import mlflow
import numpy as np
import pandas as pd
import pytest
from skimage import data, io

from srcnn.hardware import choose_device, choose_precision
from srcnn.inference import model_files
from srcnn.inference.mlflow_models import UNTRAINED_TAG, NoModel, names_in
from srcnn.inference.resolver import SuperResolver
from srcnn.inference.upscaler import Upscaler
from srcnn.pictures.images import decode
from tests.e2e.conftest import copy_of
from tests.support.pictures import encoded, noise
from tests.support.published import wrong, wrong_metrics

RESULTS = ("metrics/training.csv", "metrics/evaluation.json", "models/srcnn.safetensors")
UNTRAINED = "mse + 0.02 random (untrained) VGG19 mse (relu1_2) + 0.005 relativistic adversarial"
# SRGAN's loss; on an untrained VGG19, of which the first layers do. In so few steps as these only
# long ones are seen in 8 bits.
PERCEPTUAL = (
    *("-S", "finetune.lr=0.01"),
    *("-S", "loss.adversarial_weight=0.005"),
    *("-S", "finetune.discriminator.features=4"),
    *("-S", "loss.perceptual_weight=0.02"),
    *("-S", "loss.vgg19_weights=random"),
    *("-S", "~loss.perceptual_layers"),
    *("-S", "+loss.perceptual_layers={relu1_2: 1.0}"),
)
TWINS = ("twin-a", "twin-b")
TUNED = ["finetune", "mix", "evaluate", "plot", "register"]
STAGES = ["check", "fetch", "grayscale-and-degrade", "train", *TUNED]


def test_repro_runs_every_stage_and_publishes_what_they_made(finished):
    assert finished.ran(finished.first_output) == STAGES
    curve = pd.read_csv(finished.folder / "metrics/training.csv")
    assert list(curve["step"]) == list(range(0, 41, 5))
    assert curve["val_psnr"].notna().sum() == 3

    (run,) = finished.runs()
    assert wrong(finished.client, run, folder=finished.folder) == []
    assert run.data.params["train.steps"] == "40"
    assert run.data.params["model.srcnn.kernels"] == "[5, 1, 3]"
    assert run.data.params["evaluate.test_sets"] == "{}"
    assert run.data.tags["trained_in"] == choose_precision("auto", choose_device("auto"))
    (used,) = run.inputs.dataset_inputs
    assert run.data.tags["data.pairs"] == used.dataset.digest
    assert re.fullmatch(r"main-[0-9a-f]{7,}", run.info.run_name)


def test_registered_champion_upscales_a_picture(finished):
    store = f"sqlite:///{finished.folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)  # which another test in this process may have set
    picture = noise(0, (31, 20, 3))
    sent = pd.DataFrame({"picture": [base64.b64encode(encoded(picture)).decode()]})
    (answer,) = mlflow.pyfunc.load_model("models:/srcnn@champion").predict(sent)["picture"]
    network = SuperResolver.load(finished.folder / "models/srcnn.safetensors")
    np.testing.assert_array_equal(decode(base64.b64decode(answer)), Upscaler(network)(picture))


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
    """A clone with a second experiment, with a perceptual loss, and that again in the queue."""
    folder = tmp_path_factory.mktemp("compared")
    project = copy_of(finished, folder / "project")
    project.settings["TORCH_HOME"] = str(folder / "home")  # without LPIPS's network
    output = project.run("dvc", "exp", "run", "-n", TWINS[0], *PERCEPTUAL)
    assert project.ran(output) == ["check", *TUNED]
    project.run("dvc", "exp", "run", "--queue", "-n", TWINS[1])
    output = project.run("dvc", "exp", "run", "--run-all")  # starts the queue, and waits for it
    assert project.ran(output) == ["check", "register"]
    return project


def test_an_equal_experiment_in_the_queue_shares_the_run_which_has_both_names(compared):
    first, second = compared.runs()
    assert names_in(second.data.tags) == list(TWINS)
    assert second.info.status == "FINISHED"
    assert second.data.tags["dvc.experiment"] in TWINS
    assert second.data.params["loss.perceptual_weight"] == "0.02"
    assert second.data.metrics["test/psnr"] != first.data.metrics["test/psnr"]
    assert not list(wrong_metrics(compared.client, second, compared.folder))
    versions = compared.client.search_model_versions("name = 'srcnn'")
    untrained = {version.run_id: version.tags[UNTRAINED_TAG] for version in versions}
    assert untrained == {first.info.run_id: "false", second.info.run_id: "true"}


def test_a_perceptual_experiment_says_everywhere_what_it_was_trained_with(compared):
    curve = pd.read_csv(compared.folder / "metrics/training.csv")
    assert list(curve["step"]) == list(range(0, 51, 5))  # those of train, and from there on
    curve = curve.dropna(subset="train_perceptual")
    assert list(curve["step"]) == [45, 50]
    for name in ("adversarial_weighted", "discriminator", "real", "fake", "told"):
        assert curve[f"train_{name}"].notna().all()
    assert curve["val_frechet"].notna().any()

    evaluation = json.loads(compared.read("metrics/evaluation.json"))
    assert evaluation["loss"] == UNTRAINED
    assert evaluation["vgg19_weights"].startswith("embedded (sha256 ")  # judged by a trained one
    assert evaluation["lpips_note"].startswith("not measured (")

    run = compared.runs()[1]
    assert run.data.params["loss.perceptual_layers.relu1_2"] == "1.0"
    assert "loss.perceptual_layers.conv5_4" not in run.data.params
    assert UNTRAINED in run.data.tags["mlflow.note.content"]
    for name in ("loss", "vgg19_weights", "lpips_note"):
        assert run.data.tags[name] == evaluation[name]


def test_experiments_are_compared_from_mlflow_alone(compared):
    first, second = compared.runs()[:2]
    output = compared.run("python", "-m", "pipeline.compare", first.info.run_name, "twin-b")
    assert f"A  {first.info.run_name} (run {first.info.run_id[:8]}): mse" in output
    assert f"B  {second.info.run_name} (run {second.info.run_id[:8]}): {UNTRAINED}" in output
    assert "loss.perceptual_weight  0.0  0.02" in re.sub(" {3,}", "  ", output)


def test_a_mixture_and_another_evaluation_train_nothing(compared):
    tuned = compared.read("models/srcnn.safetensors")
    pictures = compared.folder / "data" / "camera"
    pictures.mkdir()
    io.imsave(pictures / "camera.png", data.camera()[:128, :128])
    # relative to the project's root
    settings = ("-S", "finetune.mix=0.5", "-S", "+evaluate.test_sets.Camera=data/camera")
    output = compared.run("dvc", "exp", "run", *PERCEPTUAL, *settings)
    assert compared.ran(output) == ["check", "mix", "evaluate", "plot", "register"]
    assert compared.read("models/srcnn.safetensors") != tuned
    _, perceptual, mixed = compared.runs()
    assert mixed.data.params["finetune.mix"] == "0.5"
    assert mixed.data.metrics["test-Camera/psnr"] > 15
    assert mixed.data.tags["pipeline.training_run"] == perceptual.info.run_id
    assert not list(wrong_metrics(compared.client, mixed, compared.folder))


def test_parameters_that_were_run_before_bring_their_results_back(finished, compared):
    compared.run("git", "restore", "params.yaml")
    assert compared.ran(compared.run("dvc", "repro")) == ["check", "register"]
    assert all(compared.read(path) == finished.read(path) for path in RESULTS)
