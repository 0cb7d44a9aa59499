import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.compare import wording
from pipeline.compare.comparison import compare_runs
from pipeline.stage import StageError
from srcnn.scoring.measures import PSNR, VGG19
from tests.pipeline.compare.compared import changed, experiment, with_scores, without


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"params": {"degrade.scale": "2"}}, r"degrade\.scale is 4 and 2"),
        ({}, "source pictures themselves changed"),
    ],
)
def test_other_data_is_refused(change, why):
    other = experiment("other", tags={"data.pairs": "another digest"}, **change)
    with pytest.raises(StageError, match=f"different data.*{why}"):
        compare_runs(experiment("pixel"), other)


@pytest.mark.parametrize("change", [{"luma": "studio"}, {"shave": 0}, {"scale": 2}])
def test_other_protocol_is_refused(change):
    with pytest.raises(StageError, match=f"scored in different ways.*{next(iter(change))}"):
        compare_runs(experiment("pixel"), experiment("other", evaluation=change))


def test_other_test_pictures_are_refused():
    with pytest.raises(StageError, match="different test pictures"):
        compare_runs(experiment("pixel"), experiment("other", count=23))


def test_an_experiment_is_not_compared_with_itself():
    one = experiment("pixel")
    with pytest.raises(StageError, match="with itself"):
        compare_runs(one, one)


def test_every_measure_is_compared_in_pairs():
    a = experiment("pixel", measures=("psnr", "vgg19"))
    b = experiment("other", shift=0.5, measures=("psnr", "vgg19"))
    psnr, vgg19 = compare_runs(a, b).differences["test"]
    mine, other = (
        np.mean([score.sr["psnr"] for score in e.results.of_set("test").values()]) for e in (a, b)
    )
    assert psnr.mean == pytest.approx(other - mine)
    assert (psnr.better, vgg19.measure, vgg19.better) == ("a", VGG19, "b")


def test_order_of_the_pictures_does_not_matter():
    a, b = experiment("pixel"), experiment("other", shift=0.5)
    expected = compare_runs(a, b).differences
    b = with_scores(b, {"test": dict(reversed(b.results.of_set("test").items()))})
    assert compare_runs(a, b).differences == expected


def test_measure_taken_of_some_pictures_is_compared_on_those():
    a, b = [experiment(n, measures=("psnr", "lpips")) for n in ("pixel", "other")]
    a = changed(a, lambda i, score: without(score, "lpips") if i >= 4 else score)
    b = changed(b, lambda i, score: without(score, "lpips") if i <= 1 else score)
    psnr, lpips = compare_runs(a, b).differences["test"]
    assert (psnr.pictures, lpips.pictures, lpips.sources) == (24, 2, 2)


def test_measure_that_one_lacks_is_said_to_be_missing_and_why():
    note = "not measured (AlexNet is not in torch's cache)"
    a = experiment("pixel", evaluation={"lpips_note": note})
    b = experiment("other", measures=("psnr", "lpips"))
    comparison = compare_runs(a, b)
    assert [d.measure for d in comparison.differences["test"]] == [PSNR]
    assert f"LPIPS is not compared: A: {note}." in wording.as_text(comparison)


def test_distances_of_different_weights_are_not_compared():
    a, b = [
        experiment(n, measures=("psnr", "vgg19"), evaluation={"vgg19_weights": n})
        for n in ("imagenet", "mine.pth")
    ]
    comparison = compare_runs(a, b)
    assert [d.measure for d in comparison.differences["test"]] == [PSNR]
    assert "different weights: imagenet and mine.pth" in wording.as_text(comparison)


def test_test_sets_of_both_are_compared_after_the_held_out_pictures():
    a = with_test_sets(experiment("pixel"), "Set5", "Set14")
    b = with_test_sets(experiment("other", shift=0.5), "Set5")
    comparison = compare_runs(a, b)
    assert {name: of_set[0].pictures for name, of_set in comparison.differences.items()} == {
        "test": 24,
        "Set5": 5,
    }
    assert "Test set Set14 is not compared: only A was scored on it." in wording.as_text(comparison)


def with_test_sets(made, *names, change=lambda i, score: score):
    """The experiment with its first five scores again as those of these test sets."""
    held_out = made.results.of_set("test")
    again = [change(i, score) for i, score in enumerate(list(held_out.values())[:5])]
    sets = {name: {score.id: score for score in again} for name in names}
    return with_scores(made, sets | {"test": held_out})


def change_a_picture(i, score):
    return score if i else replace(score, pixels="other pixels")


def rename_all(i, score):
    return replace(score, id=f"other/{score.id}")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (change_a_picture, "the same pictures for A and B: 4 of 5 and 5 are the same"),
        (rename_all, "the same pictures for A and B: 0 of 5 and 5 are the same"),
    ],
)
def test_test_sets_of_other_pictures_under_the_same_name_are_left_out(change, why):
    a = with_test_sets(experiment("pixel"), "Set5")
    b = with_test_sets(experiment("other", shift=0.5), "Set5", change=change)
    text = wording.as_text(compare_runs(a, b))
    assert re.search(f"Test set Set5 is not compared: .*{why}", text)
    assert "Test set Set5\n" not in text


def test_parameters_that_differ_are_listed_but_not_where_it_is_tracked():
    more = {"train.steps": "9", "tracking.experiment": "elsewhere"}
    comparison = compare_runs(experiment("a"), experiment("b", "0.01", params=more))
    assert comparison.parameters == {
        "loss.perceptual_weight": ("0.0", "0.01"),
        "train.steps": ("–", "9"),
    }
    assert "not of the loss alone: train.steps" in wording.as_text(comparison)


MUON = {"train.optimizer": "muon", "train.muon_lr": "0.02", "train.momentum": "0.9"}
HUB = {"data.source": "celeba-hq", "data.skip_unreadable": "False"}
ADAM = {"train.optimizer": "adam", "train.muon_lr": "0.05", "train.momentum": "0.5"}
IMAGENET = {"loss.vgg19_weights": "imagenet", "loss.perceptual_layers.conv5_4": "1.0"}
EMBEDDED = {"loss.vgg19_weights": "embedded", "loss.perceptual_layers.relu2_2": "1.0"}


@pytest.mark.parametrize(
    ("mine", "other", "shown"),
    [
        (("0.0", ADAM), ("0.0", ADAM | {"train.muon_lr": "1", "train.momentum": "0"}), []),
        (("0.0", ADAM), ("0.0", MUON), ["train.optimizer"]),
        (("0.0", MUON), ("0.0", MUON | {"train.muon_lr": "1"}), ["train.muon_lr"]),
        (("0.0", IMAGENET), ("0.0", EMBEDDED), []),
        (("0.0", IMAGENET), ("0.01", EMBEDDED), ["loss.perceptual_weight"]),
        (("0.01", IMAGENET), ("0.01", EMBEDDED), [*sorted(IMAGENET | EMBEDDED)]),
        (("0.0", HUB), ("0.0", HUB | {"data.skip_unreadable": "True"}), ["data.skip_unreadable"]),
        (("0.0", {"data.source": "samples", "data.revision": "a"}), ("0.0", {}), ["data.source"]),
    ],
)
def test_parameters_that_do_not_matter_to_both_are_not_listed(mine, other, shown):
    a, b = (
        experiment(name, weight, params=params)
        for name, (weight, params) in (("a", mine), ("b", other))
    )
    assert list(compare_runs(a, b).parameters) == shown
