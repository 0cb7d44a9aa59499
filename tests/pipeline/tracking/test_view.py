"""The view of MLflow's pages fits what runs hold; test_servers.py has it in a browser."""

import json

from tests.pipeline.published import all_runs


def test_its_charts_are_of_what_runs_have(published):
    (run,) = all_runs(published)
    (state,) = [
        json.loads(value)
        for name, value in published.client.get_experiment(published.experiment_id).tags.items()
        if name.startswith("mlflow.sharedViewState.")
    ]
    sections = {section["uuid"] for section in state["compareRunSections"]}
    first, *_ = charts = state["compareRunCharts"]
    assert first["metricKey"] == "val/psnr"
    (grid,) = (chart for chart in charts if chart["type"] == "IMAGE")
    assert grid["imageKeys"] == [
        f"{split} 1 {kind}"
        for split in ("training", "validation")
        for kind in ("SR", "bicubic", "HR")
    ]
    assert {chart["metricSectionId"] for chart in charts} == sections
    for chart in charts:
        if chart is not grid:
            assert chart["metricKey"] in run.data.metrics
