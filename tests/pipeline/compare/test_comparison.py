import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.compare import wording
from pipeline.stage import StageError
from srcnn.scoring.measures import MEASURES, PSNR, VGG19
from tests.pipeline.compare.compared import changed, compare_two, experiment, with_scores, without

OTHER_DATA = {"tags": {"data.pairs": "another digest"}}
MINE, OTHERS = {"vgg19_weights": "imagenet"}, {"vgg19_weights": "mine.pth"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (OTHER_DATA | {"params": {"degrade.scale": "2"}}, r"different data.*\.scale is 4 and 2"),
        (OTHER_DATA, "different data.*source pictures themselves changed"),
        ({"evaluation": {"luma": "studio"}}, "scored in different ways.*luma"),
        ({"evaluation": {"shave": 0}}, "scored in different ways.*shave"),
        ({"count": 23}, "different test pictures"),
        ({"name": "pixel"}, "with itself"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, why):
    with pytest.raises(StageError, match=why):
        compare_two(experiment("pixel"), experiment(**{"name": "other"} | change))


def test_every_measure_is_compared_in_pairs():
    a = experiment("pixel", measures=("psnr", "vgg19"))
    b = experiment("other", shift=0.5, measures=("psnr", "vgg19"))
    psnr, vgg19 = compare_two(a, b).differences["test"]
    mine, other = (
        np.mean([score.sr["psnr"] for score in e.results.of_set("test").values()]) for e in (a, b)
    )
    assert psnr.mean == pytest.approx(other - mine)
    assert (psnr.better, vgg19.measure, vgg19.better) == ("a", VGG19, "b")
    b = with_scores(b, {"test": dict(reversed(b.results.of_set("test").items()))})
    assert compare_two(a, b).differences["test"] == [psnr, vgg19]  # in whatever order


def test_measure_taken_of_some_pictures_is_compared_on_those():
    a, b = [experiment(n, measures=("psnr", "lpips")) for n in ("pixel", "other")]
    a = changed(a, lambda i, score: without(score, "lpips") if i >= 4 else score)
    b = changed(b, lambda i, score: without(score, "lpips") if i <= 1 else score)
    psnr, lpips = compare_two(a, b).differences["test"]
    assert (psnr.pictures, lpips.pictures, lpips.sources) == (24, 2, 2)


@pytest.mark.parametrize(
    ("measure", "mine", "other", "why"),
    [
        ("lpips", {"lpips_note": "not measured (no AlexNet)"}, {}, "A: not measured (no AlexNet)"),
        ("vgg19", {}, {}, "A: not measured"),
        ("vgg19", MINE, OTHERS, "measured with different weights: imagenet and mine.pth"),
    ],
)
def test_a_measure_that_one_lacks_or_took_otherwise_is_not_compared(measure, mine, other, why):
    both = ("psnr", measure)
    a = experiment("pixel", measures=both if mine is MINE else ("psnr",), evaluation=mine)
    b = experiment("other", measures=both, evaluation=other)
    comparison = compare_two(a, b)
    assert [d.measure for d in comparison.differences["test"]] == [PSNR]
    assert f"{MEASURES[measure].title} is not compared: {why}." in wording.as_text([comparison])


def with_test_sets(made, *names, change=lambda i, score: score):
    """The experiment with its first five scores again as those of these test sets."""
    held_out = made.results.of_set("test")
    again = [change(i, score) for i, score in enumerate(list(held_out.values())[:5])]
    sets = {name: {score.id: score for score in again} for name in names}
    return with_scores(made, sets | {"test": held_out})


def test_test_sets_of_both_are_compared_after_the_held_out_pictures():
    a = with_test_sets(experiment("pixel"), "Set5", "Set14")
    b = with_test_sets(experiment("other", shift=0.5), "Set5")
    comparison = compare_two(a, b)
    counts = [(name, of_set[0].pictures) for name, of_set in comparison.differences.items()]
    assert counts == [("test", 24), ("Set5", 5)]
    text = wording.as_text([comparison])
    assert "Test set Set14 is not compared: only A was scored on it." in text


def test_test_sets_of_other_pictures_under_the_same_name_are_left_out():
    other = {0: {"pixels": "other pixels"}, 1: {"id": "other name"}}
    a = with_test_sets(experiment("pixel"), "Set5")
    b = with_test_sets(a, "Set5", change=lambda i, score: replace(score, **other.get(i, {})))
    text = wording.as_text([compare_two(a, replace(b, run_id="b"))])
    assert re.search("Test set Set5 is not compared: .* 3 of 5 and 5 are the same", text)
    assert "Test set Set5\n" not in text


def test_parameters_that_differ_are_listed_but_not_where_it_is_tracked():
    more = {"train.steps": "9", "tracking.experiment": "elsewhere"}
    comparison = compare_two(experiment("a"), experiment("b", "0.01", params=more))
    assert comparison.parameters == {
        "loss.perceptual_weight": ("0.0", "0.01"),
        "train.steps": ("–", "9"),
    }
    assert "not of the loss alone: train.steps" in wording.as_text([comparison])
