"""The champion: the best among models that were validated alike."""

import shutil
from pathlib import Path

import pytest

from pipeline.tracking import registry
from pipeline.tracking.registry import CODE, DATA, GAIN, PICTURES, VGG19, VGG19_WEIGHTS
from srcnn.inference.mlflow_models import CHAMPION, PERCEPTUAL, SCALE_TAG, UNTRAINED_TAG
from srcnn.inference.mlflow_models import PERCEPTUAL_WEIGHT_TAG as WEIGHT

NAME = "srcnn"
MODEL = Path("model")  # of all versions
USUAL = {DATA: "portraits", SCALE_TAG: 4, PICTURES: 8, UNTRAINED_TAG: "false", WEIGHT: 0}
USUAL |= {VGG19_WEIGHTS: "embedded", CODE: "c"}


@pytest.fixture
def client(store):
    store.client.create_registered_model(NAME)
    (MODEL / "artifacts").mkdir(parents=True)
    (MODEL / "artifacts/srcnn.safetensors").touch()
    return store.client


def register(client, gain, other=None, promote=False, source=None):
    """Register a version as an experiment does and choose; the champion's version."""
    tags = USUAL | {GAIN: gain} | (other or {})
    tags = {name: f"{value}" for name, value in tags.items()}
    experiment = client.get_experiment_by_name("portraits")
    run = client.create_run(experiment.experiment_id)
    place = source or MODEL.absolute().as_uri()
    made = client.create_model_version(NAME, place, run.info.run_id, tags=tags)
    return str(registry.choose_aliases(client, NAME, made, promote).version)


def test_the_best_gain_wins(client):
    assert [register(client, gain) for gain in (1.0, 0.5, 1.2, 1.2)] == ["1", "1", "3", "3"]
    assert str(client.get_model_version_by_alias(NAME, CHAMPION).version) == "3"


def test_an_experiment_validated_otherwise_takes_the_place_only_where_it_is_told_to(client):
    register(client, 1.0)
    for other in ({DATA: "toys"}, {SCALE_TAG: 2}, {PICTURES: 3}):
        assert register(client, 9.0, other) == "1", other
    faces = {DATA: "faces"}
    assert register(client, 0.3, faces, promote=True) == "5"
    # from then on that is the standard
    assert register(client, 9.0) == "5"
    assert register(client, 0.4, faces) == "7"


def test_untrained_features_win_only_where_there_is_nothing_else(client):
    assert register(client, 3.0, {UNTRAINED_TAG: "true"}) == "1"
    assert register(client, 1.0) == "2"
    assert register(client, 2.0, {UNTRAINED_TAG: "true"}) == "2"


@pytest.mark.parametrize("lost", ["version", "run", "files"])
def test_a_champion_that_or_whose_run_or_files_were_deleted_is_replaced(client, tmp_path, lost):
    gone = tmp_path / "gone"
    shutil.copytree(MODEL, gone)
    register(client, 9.0, source=gone.as_uri())
    assert register(client, 1.0) == "1"
    if lost == "version":
        client.delete_model_version(NAME, "1")
    elif lost == "run":
        client.delete_run(client.get_model_version(NAME, "1").run_id)
    else:
        shutil.rmtree(gone)
    assert register(client, 0.5) == "2"


def test_the_perceptual_one_has_the_lowest_distance_near_the_champion_s_gain(client):
    def perceptual():
        version = client.get_registered_model(NAME).aliases.get(PERCEPTUAL)
        return version and str(version)

    near, far = 1.0 - registry.PERCEPTUAL_LOSS, 0.99 - registry.PERCEPTUAL_LOSS
    register(client, 1.0, {VGG19: 0.4})
    assert perceptual() is None  # it has no perceptual loss
    register(client, 0.9, {WEIGHT: 0.001, VGG19: 0.3})
    assert perceptual() == "2"
    register(client, near, {WEIGHT: 0.01, VGG19: 0.2})
    assert perceptual() == "3"
    lowest = {WEIGHT: 0.01, VGG19: 0.1}
    register(client, far, lowest)
    for other in ({DATA: "toys"}, {UNTRAINED_TAG: "true"}, {VGG19_WEIGHTS: "other weights"}):
        register(client, 0.9, lowest | other)
    register(client, 0.9, {WEIGHT: 0.01})  # not measured
    assert perceptual() == "3"
    assert register(client, 1.2, {VGG19: 0.4}) == "9"
    assert perceptual() == "2"
    assert register(client, 2.0) == "10"
    assert perceptual() is None
