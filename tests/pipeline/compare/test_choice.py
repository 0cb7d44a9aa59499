import pytest

from pipeline.compare.choice import best_of_each_kind, find
from pipeline.stage import StageError
from srcnn.inference.mlflow_models import EXPERIMENTS_TAG
from tests.pipeline.compare.compared import experiment


def gain(value, **other):
    """A gain and perceptual measures on validation pictures, the best of all on test pictures."""
    judged = {f"val/{name}": v for name, v in other.items()}
    return {"val/psnr_gain": value} | judged | {f"test/{name}": 1 - v for name, v in other.items()}


def test_the_best_run_of_each_kind_is_chosen():
    adversarial = {"loss.adversarial_weight": "0.001"}
    found = [
        experiment("weak", metrics=gain(1.0)),
        experiment("strong", metrics=gain(1.5)),
        experiment("light", "0.001", metrics=gain(1.4, lpips=0.3, gmsd=0.05)),
        experiment("heavy", "0.01", metrics=gain(0.9, lpips=0.2, gmsd=0.09)),
    ]
    assert [run.name for run in best_of_each_kind(found)] == ["strong", "heavy"]
    found += [
        experiment("worse gan", "0.01", params=adversarial, metrics=gain(1.0, lpips=0.15)),
        experiment("gan", "0.01", params=adversarial, metrics=gain(1.0, lpips=0.1)),
    ]
    assert [run.name for run in best_of_each_kind(found)] == ["strong", "heavy", "gan"]


@pytest.mark.parametrize(("weights", "best"), [("imagenet", "heavy"), ("mine.pth", "light")])
def test_judge_is_one_that_all_perceptual_runs_have_with_the_same_weights(weights, best):
    light = gain(1.0, lpips=0.2, vgg19=0.3, gmsd=0.05)
    heavy = gain(1.0, vgg19=0.1, gmsd=0.09)
    found = [
        experiment("pixel"),
        experiment("light", "0.01", tags={"vgg19_weights": "imagenet"}, metrics=light),
        experiment("heavy", "0.01", tags={"vgg19_weights": weights}, metrics=heavy),
    ]
    assert best_of_each_kind(found)[1].name == best


@pytest.mark.parametrize(
    "other", [{"params": {"train.val_pictures": "2"}}, {"tags": {"data.pairs": "older"}}]
)
def test_the_chosen_are_of_the_newest_same_validation_pictures_that_both_kinds_have(other):
    found = [
        experiment("lonely", tags={"data.pairs": "x2"}),
        experiment("perceptual", "0.01"),
        experiment("lucky", metrics=gain(9), **other),
        experiment("lucky perceptual", "0.01", metrics=gain(9, gmsd=0.0), **other),
        experiment("pixel"),
    ]
    assert [e.name for e in best_of_each_kind(found)] == ["pixel", "perceptual"]


def test_untrained_features_never_win_and_one_kind_only_is_an_error_with_what_there_is():
    random = {"loss.vgg19_weights": "random"}
    others = [
        experiment("pixel"),
        experiment("untrained", "0.01", metrics=gain(1, gmsd=0.0), params=random),
    ]
    with pytest.raises(StageError, match=r"(?s)with a trained VGG19.*=0\.01.*pixel \(run"):
        best_of_each_kind(others)
    chosen = best_of_each_kind([*others, experiment("real", "0.01")])
    assert [e.name for e in chosen] == ["pixel", "real"]


def names(*given):
    """The tags of a run that so named experiments share."""
    return {f"{EXPERIMENTS_TAG}.{i}": name for i, name in enumerate(given)}


def test_experiment_is_found_by_any_of_its_names():
    tags = names("first-exp", "second-exp") | {"model.version": "17"}
    wanted = experiment("main-1a2b3c4", tags=tags)
    other, older = experiment("other"), experiment("main-1a2b3c4", tags=tags)
    own = (wanted.name, wanted.run_id, wanted.run_id[:8])
    for name in (*own, "first-exp", "second-exp", "17"):
        first, second = find([other, wanted, older], [name, "other"])
        assert first is wanted, name  # the newest of its name
        assert second is other


def test_all_unknown_names_are_one_error_that_lists_some_that_there_are():
    found = [experiment(f"e{i}", tags=names(f"e{i}", f"also{i}")) for i in range(9)]
    with pytest.raises(StageError) as caught:
        find(found, ["nothing", "e3", "nobody"])
    first, *listed, last = str(caught.value).splitlines()
    assert first.startswith("MLflow holds no experiment 'nothing' and no 'nobody'")
    assert [line.split()[0] for line in listed] == [f"e{i}" for i in range(6)]
    assert "also0" in listed[0]
    assert last == "  and 3 older ones"
