"""Every stage that needs what another one makes says so where it is not there."""

import pytest

from pipeline import evaluate, grayscale_and_degrade, plot, register, train
from pipeline.compare import __main__ as compare
from pipeline.compare import tradeoff
from pipeline.stage import StageError
from tests.support.params import declare_stages, params_with

STAGES = {
    "grayscale_and_degrade": grayscale_and_degrade.main,
    "train": train.main,
    "evaluate": evaluate.main,
    "plot": plot.main,
    "register": register.main,
    "compare": lambda given: compare.main(given, compare.parse([])),
    "tradeoff": lambda given: tradeoff.main(given, tradeoff.parse([])),
}


@pytest.mark.parametrize("name", STAGES)
def test_stage_without_data_is_one_error_with_the_way_on(project, name):
    declare_stages(project)
    (project / "mlflow.db").unlink()
    before = {path for path in project.rglob("*") if path.is_file()}
    with pytest.raises(StageError, match=r"`dvc repro` makes (it|one|what is missing)"):
        STAGES[name](params_with())
    assert {path for path in project.rglob("*") if path.is_file()} == before
