"""A perceptual experiment through DVC, on an untrained VGG19: nothing is downloaded."""

import json

import pandas as pd

UNTRAINED = "mse + 0.02 random (untrained) VGG19 mse (relu1_2)"


def test_a_perceptual_experiment_says_everywhere_what_it_was_trained_with(project, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(project.folder / "home"))
    settings = [
        "loss.perceptual_weight=0.02",
        "loss.vgg19_weights=random",
        "~loss.perceptual_layers",
        "+loss.perceptual_layers={relu1_2: 1.0}",
        "train.steps=20",
    ]
    overrides = [part for setting in settings for part in ("-S", setting)]
    project.run("dvc", "exp", "run", "-n", "perceptual", *overrides)

    curve = pd.read_csv(project.folder / "metrics/training.csv").dropna(subset="train_loss")
    weighted = curve["train_perceptual_weighted"]
    assert weighted.iloc[0] > 0
    assert ((0.02 * curve["train_perceptual"] - weighted).abs() < 1e-6).all()
    assert ((curve["train_pixel"] + weighted - curve["train_loss"]).abs() < 1e-6).all()

    evaluation = json.loads(project.read("metrics/evaluation.json"))
    assert evaluation["loss"] == UNTRAINED
    assert evaluation["vgg19"] > 0  # judged by a trained VGG19
    assert evaluation["vgg19_weights"].startswith("embedded (sha256 ")
    assert evaluation["lpips"] is None
    assert evaluation["lpips_note"].startswith("not measured (")

    _, run = project.runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["loss.perceptual_layers.relu1_2"] == "1.0"
    assert "loss.perceptual_layers.conv5_4" not in run.data.params
    assert run.data.tags["loss"] == UNTRAINED
    assert UNTRAINED in run.data.tags["mlflow.note.content"]
    assert run.data.tags["vgg19_weights"] == evaluation["vgg19_weights"]
    assert run.data.tags["lpips_note"] == evaluation["lpips_note"]
    for term in ("perceptual", "perceptual_weighted", "pixel", "loss"):
        points = project.client.get_metric_history(run.info.run_id, f"train/{term}")
        assert [p.value for p in points] == list(curve[f"train_{term}"])
