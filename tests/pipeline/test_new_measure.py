"""A measure that joins the table stands everywhere, unasked."""

import json

import numpy as np
import pytest

from pipeline.compare import __main__ as compare
from pipeline.compare import tradeoff
from pipeline.stage import paths
from pipeline.tracking.store import Store
from srcnn.scoring.measures import MEASURES, Function, Measure
from srcnn.scoring.scores import read_scores
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs, publish

ROUGHNESS = Measure(
    "roughness",
    "Roughness",
    lambda _: Function(lambda picture, _: float(np.abs(np.diff(picture.astype(int))).mean())),
    needs_original=False,
)


@pytest.mark.usefixtures("classical_measures")
def test_a_new_measure_without_original_stands_everywhere(project, monkeypatch, capsys):
    monkeypatch.setitem(MEASURES, "roughness", ROUGHNESS)
    for weight in (0.0, 0.01):
        publish(weight)

    scores = read_scores(paths.PER_IMAGE)["test"]
    assert all(score.sr["roughness"] > 0 for score in scores)
    evaluation = json.loads(paths.EVALUATION.read_text())
    mean = np.mean([score.sr["roughness"] for score in scores])
    assert abs(evaluation["roughness"] - mean) < 1e-5
    assert evaluation["validation"]["roughness"] > 0
    assert "roughness" in json.loads(paths.SUMMARY.read_text())

    store = Store("portrait-srcnn")
    run, _ = all_runs(store)
    for name in ("test/roughness", "test/roughness_bicubic", "test/roughness_gain"):
        assert name in run.data.metrics
    assert run.data.metrics["val/roughness"] == evaluation["validation"]["roughness"]
    view = store.client.get_experiment(store.experiment_id).tags["mlflow.sharedViewState.results"]
    assert "test/roughness_gain" in view

    capsys.readouterr()
    compare.main(load_params(), compare.parse([]))
    assert "Roughness ↓" in capsys.readouterr().out
    assert "Roughness" in (project / "comparison.html").read_text(encoding="utf-8")
    tradeoff.main(load_params(), tradeoff.parse(["--measure", "roughness"]))
    assert f"Roughness {ROUGHNESS.number(mean)}" in capsys.readouterr().out
    assert (project / "tradeoff.png").exists()
