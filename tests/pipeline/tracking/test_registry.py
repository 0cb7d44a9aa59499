"""The champion: the best among models that were validated alike."""

import shutil
from pathlib import Path

import pytest

from pipeline.tracking import registry
from pipeline.tracking.registry import CODE, DATA, GAIN, PICTURES
from srcnn.registry import CHAMPION, SCALE_TAG, UNTRAINED_TAG

NAME = "srcnn"


MODEL = Path("model")  # of all versions


@pytest.fixture
def client(store):
    store.client.create_registered_model(NAME)
    (MODEL / "artifacts").mkdir(parents=True)
    (MODEL / "artifacts/srcnn.safetensors").touch()
    return store.client


def register(
    client, gain, data="portraits", scale=4, pictures=8, promote=False, untrained=False, source=None
):
    """Register a version as an experiment does and choose; the champion's version."""
    tags = {GAIN: f"{gain}", DATA: data, SCALE_TAG: f"{scale}", PICTURES: f"{pictures}", CODE: "c"}
    tags[UNTRAINED_TAG] = "true" if untrained else "false"
    experiment = client.get_experiment_by_name("portraits")
    run = client.create_run(experiment.experiment_id)
    place = source or MODEL.absolute().as_uri()
    made = client.create_model_version(NAME, place, run.info.run_id, tags=tags)
    return str(registry.choose_champion(client, NAME, made, promote).version)


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
    assert register(client, 3.0, untrained=True) == "1"
    assert register(client, 1.0) == "2"
    assert register(client, 2.0, untrained=True) == "2"


def test_an_experiment_takes_the_place_where_it_is_told_to(client):
    register(client, 1.0)
    register(client, 0.2, data="faces")
    assert register(client, 0.3, data="faces", promote=True) == "3"
    # from then on that is the standard
    assert register(client, 9.0) == "3"
    assert register(client, 0.4, data="faces") == "5"


def test_a_champion_that_was_deleted_is_replaced(client):
    register(client, 1.0)
    register(client, 0.5)
    client.delete_model_version(NAME, "1")
    assert register(client, 0.2) == "2"


@pytest.mark.parametrize("lost", ["run", "files"])
def test_a_champion_whose_run_or_files_were_deleted_is_replaced(client, tmp_path, lost):
    gone = tmp_path / "gone"
    shutil.copytree(MODEL, gone)
    register(client, 9.0, source=gone.as_uri())
    assert register(client, 1.0) == "1"
    if lost == "run":
        client.delete_run(client.get_model_version(NAME, "1").run_id)
    else:
        shutil.rmtree(gone)
    assert register(client, 0.5) == "2"


def test_an_alias_that_others_keep_moving_is_not_looked_at_for_ever(client, monkeypatch):
    register(client, 1.0)
    set_alias = type(client).set_registered_model_alias
    calls = []

    def stubborn(self, name, alias, version):
        calls.append(version)
        set_alias(self, name, alias, "1")

    monkeypatch.setattr(type(client), "set_registered_model_alias", stubborn)
    assert register(client, 2.0) == "2"
    assert len(calls) < 10


def test_versions_count_as_numbers(client):
    for _ in range(10):
        register(client, 0.1)
    assert register(client, 0.1) == "1"
    assert register(client, 0.2) == "12"


def test_a_choice_overtaken_by_another_host_is_corrected(client, monkeypatch):
    register(client, 1.0)
    tags = {GAIN: "2.0", DATA: "portraits", SCALE_TAG: "4", PICTURES: "8"}
    set_alias = type(client).set_registered_model_alias

    def slowly(self, name, alias, version):
        monkeypatch.setattr(type(client), "set_registered_model_alias", set_alias)
        self.create_model_version(NAME, MODEL.absolute().as_uri(), None, tags=tags)
        set_alias(self, name, alias, "3")
        set_alias(self, name, alias, version)  # the stale choice

    monkeypatch.setattr(type(client), "set_registered_model_alias", slowly)
    assert register(client, 1.5) == "3"
    assert str(client.get_model_version_by_alias(NAME, CHAMPION).version) == "3"
