"""The library's models in MLflow as the pipeline leaves them: the champion, experiments by name."""

import pytest

from pipeline import register
from pipeline.stage import paths
from srcnn.inference import model_files
from srcnn.inference.mlflow_models import CONTENT_TAG, EXPERIMENTS_TAG, OVER_PACKAGED_TAG, NoModel
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs


@pytest.fixture
def published(experiment, monkeypatch):
    """An experiment, published under two names; its run."""
    monkeypatch.setenv("DVC_EXP_NAME", "vgg-0.01")
    register.main(load_params())
    monkeypatch.setenv("DVC_EXP_NAME", "equal")
    register.main(load_params())
    (run,) = all_runs(experiment)
    return run


def test_an_experiment_is_a_model_by_each_of_its_names(published):
    weights = paths.WEIGHTS.read_bytes()
    for name in ("vgg-0.01", "equal"):
        model = model_files.load(name)
        assert model.resolver.to_bytes() == weights
        assert model.run_id == published.info.run_id
        assert model.name == f"experiment {name} (run {model.run_id[:8]})"


def test_of_two_runs_with_a_name_the_newest_is_taken(published, experiment):
    client = experiment.client
    newer = client.create_run(
        published.info.experiment_id,
        start_time=published.info.start_time + 1,
        run_name="vgg-0.01",
        tags={CONTENT_TAG: "content"},
    )
    assert model_files.load("vgg-0.01").run_id == published.info.run_id  # it is not finished
    client.set_terminated(newer.info.run_id)
    with pytest.raises(NoModel, match=newer.info.run_id):  # it has no model
        model_files.load("vgg-0.01")


def test_a_run_without_names_is_not_what_an_empty_name_means(published, experiment):
    for tag in [tag for tag in published.data.tags if tag.startswith(EXPERIMENTS_TAG)]:
        experiment.client.set_tag(published.info.run_id, tag, "")
    with pytest.raises(NoModel, match="there is no experiment ''"):
        model_files.load("")


def test_an_unknown_name_is_one_error_that_lists_some(published):
    with pytest.raises(NoModel) as error:
        model_files.load("vgg")
    message = str(error.value)
    assert "'vgg' is no model file" in message
    assert "there are: vgg-0.01, equal" in message
    assert "\n" not in message


def test_the_champion_is_the_default_and_an_empty_registry_has_none(store, request):
    """Where it is better than the package's network."""
    assert model_files.load().name == "packaged:x4"
    with pytest.raises(NoModel, match="there are: none"):
        model_files.load("vgg")
    request.getfixturevalue("published")
    assert model_files.load().name == "packaged:x2"
    store.client.set_model_version_tag("srcnn", "1", OVER_PACKAGED_TAG, "0.1")
    assert model_files.load().name == "srcnn version 1"
    assert model_files.load(scale=2).name == "srcnn version 1"
    assert model_files.load(scale=4).name == "packaged:x4"
