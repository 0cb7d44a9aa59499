"""What is published once: an experiment with all its parameters and results."""

from dataclasses import replace

import pandas as pd

from pipeline.stage import paths
from pipeline.stage.record import Trained
from pipeline.tracking.experiment import Experiment
from tests.pipeline.experiment import write_experiment


def test_every_result_and_parameter_of_the_evaluation_is_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_experiment()
    paths.PER_IMAGE.write_text("id,psnr\n")
    paths.EVALUATION.write_text("{}")
    trained = Trained.read(paths.TRAINED)
    given = Experiment(trained, {"evaluate.lpips": False}, {}, pd.DataFrame(), None)
    contents = {given.content, replace(given, params={"evaluate.lpips": True}).content}
    for path in (paths.WEIGHTS, paths.PER_IMAGE, paths.EVALUATION):
        path.write_bytes(path.read_bytes() + b" ")
        contents.add(given.content)
    assert len(contents) == 5
