"""The library's models in MLflow as the pipeline leaves them: the champion, experiments by name."""

import pytest

from pipeline import register
from pipeline.stage import paths
from srcnn.inference import model_files
from srcnn.inference.mlflow_models import CONTENT_TAG, EXPERIMENTS_TAG, NoModel
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs


def test_an_experiment_is_a_model_by_each_of_its_names(published, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "vgg-0.01")
    register.main(load_params())
    (run,) = all_runs(published)
    for name in ("no-commit", "vgg-0.01"):
        model = model_files.load(name)
        assert model.resolver.to_bytes() == paths.WEIGHTS.read_bytes()
        assert model.run_id == run.info.run_id
        assert model.name == f"experiment {name} (run {model.run_id[:8]})"
    with pytest.raises(NoModel, match=r"^'vgg' is no model file.* are: no-commit, vgg-0\.01$"):
        model_files.load("vgg")


def test_of_two_runs_with_a_name_the_newest_is_taken(published):
    (run,) = all_runs(published)
    newer = published.client.create_run(
        run.info.experiment_id,
        start_time=run.info.start_time + 1,
        run_name="no-commit",
        tags={CONTENT_TAG: "content"},
    )
    assert model_files.load("no-commit").run_id == run.info.run_id  # the other is not finished
    published.client.set_terminated(newer.info.run_id)
    with pytest.raises(NoModel, match=newer.info.run_id):  # it has no model
        model_files.load("no-commit")


def test_a_run_without_names_is_not_what_an_empty_name_means(published):
    (run,) = all_runs(published)
    for tag in [tag for tag in run.data.tags if tag.startswith(EXPERIMENTS_TAG)]:
        published.client.set_tag(run.info.run_id, tag, "")
    with pytest.raises(NoModel, match="there is no experiment ''"):
        model_files.load("")


def test_an_empty_registry_has_neither_champion_nor_names(store):
    assert model_files.load().name == "packaged:x4"
    with pytest.raises(NoModel, match="there are: none"):
        model_files.load("vgg")
