"""What is published once: an experiment with all its parameters and results."""

from dataclasses import replace

import pandas as pd
import pytest

from pipeline.stage import paths
from pipeline.stage.record import Trained
from pipeline.tracking.experiment import Experiment
from tests.pipeline.experiment import write_experiment

RESULTS = (paths.WEIGHTS, paths.PER_IMAGE, paths.EVALUATION)


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_experiment()
    paths.PER_IMAGE.write_text("id,psnr\n")
    paths.EVALUATION.write_text("{}")
    trained = Trained.read(paths.TRAINED)
    return Experiment(trained, {"evaluate.lpips": False}, {}, pd.DataFrame(), None)


@pytest.mark.parametrize("path", RESULTS, ids=str)
def test_another_result_is_another_content(experiment, path):
    before = experiment.content
    path.write_bytes(path.read_bytes() + b" ")
    assert experiment.content != before


def test_another_parameter_of_the_evaluation_is_another_content(experiment):
    assert replace(experiment, params={"evaluate.lpips": True}).content != experiment.content
