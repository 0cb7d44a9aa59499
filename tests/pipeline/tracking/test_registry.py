"""The champion: the best among models that were validated alike."""

import shutil
from pathlib import Path

import pytest

from pipeline.tracking import registry
from pipeline.tracking.registry import CODE, DATA, GAIN, PICTURES, VGG19, VGG19_WEIGHTS
from srcnn.inference.mlflow_models import (
    CHAMPION,
    PERCEPTUAL,
    PERCEPTUAL_WEIGHT_TAG,
    SCALE_TAG,
    UNTRAINED_TAG,
)

NAME = "srcnn"
MODEL = Path("model")  # of all versions
TAGS = {
    "data": DATA,
    "scale": SCALE_TAG,
    "pictures": PICTURES,
    "untrained": UNTRAINED_TAG,
    "weight": PERCEPTUAL_WEIGHT_TAG,
    "judge": VGG19_WEIGHTS,
    "distance": VGG19,
}
USUAL = {"data": "portraits", "scale": 4, "pictures": 8, "untrained": "false", "weight": 0}
USUAL |= {"judge": "embedded"}


@pytest.fixture
def client(store):
    store.client.create_registered_model(NAME)
    (MODEL / "artifacts").mkdir(parents=True)
    (MODEL / "artifacts/srcnn.safetensors").touch()
    return store.client


def register(client, gain, promote=False, source=None, **said):
    """Register a version as an experiment does and choose; the champion's version."""
    tags = {GAIN: f"{gain}", CODE: "c"}
    tags |= {TAGS[name]: f"{value}" for name, value in (USUAL | said).items()}
    experiment = client.get_experiment_by_name("portraits")
    run = client.create_run(experiment.experiment_id)
    place = source or MODEL.absolute().as_uri()
    made = client.create_model_version(NAME, place, run.info.run_id, tags=tags)
    return str(registry.choose_aliases(client, NAME, made, promote).version)


def test_the_best_gain_wins(client):
    assert [register(client, gain) for gain in (1.0, 0.5, 1.2, 1.2)] == ["1", "1", "3", "3"]
    assert str(client.get_model_version_by_alias(NAME, CHAMPION).version) == "3"


@pytest.mark.parametrize(
    "other", [{"data": "toys"}, {"scale": 2}, {"pictures": 3}], ids=["data", "scale", "pictures"]
)
def test_an_experiment_validated_otherwise_does_not_take_the_place(client, other):
    register(client, 1.0)
    assert register(client, 9.0, **other) == "1"


def test_untrained_features_win_only_where_there_is_nothing_else(client):
    assert register(client, 3.0, untrained="true") == "1"
    assert register(client, 1.0) == "2"
    assert register(client, 2.0, untrained="true") == "2"


def test_an_experiment_takes_the_place_where_it_is_told_to(client):
    register(client, 1.0)
    register(client, 0.2, data="faces")
    assert register(client, 0.3, data="faces", promote=True) == "3"
    # from then on that is the standard
    assert register(client, 9.0) == "3"
    assert register(client, 0.4, data="faces") == "5"


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
    register(client, 1.0, distance=0.4)
    assert perceptual() is None  # it has no perceptual loss
    register(client, 0.9, weight=0.001, distance=0.3)
    assert perceptual() == "2"
    register(client, near, weight=0.01, distance=0.2)
    assert perceptual() == "3"
    register(client, far, weight=0.1, distance=0.1)
    register(client, 0.9, weight=0.01, distance=0.1, data="toys")
    register(client, 0.9, weight=0.01, distance=0.1, untrained="true")
    register(client, 0.9, weight=0.01, distance=0.1, judge="other weights")
    register(client, 0.9, weight=0.01)  # not measured
    assert perceptual() == "3"
    assert register(client, 1.2, distance=0.4) == "9"
    assert perceptual() == "2"
    assert register(client, 2.0) == "10"
    assert perceptual() is None
