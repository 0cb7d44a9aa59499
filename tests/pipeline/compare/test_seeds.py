import numpy as np
import pytest

from pipeline.compare import page, wording
from pipeline.compare.choice import find
from pipeline.compare.comparison import compare_all
from pipeline.stage import StageError
from tests.pipeline.compare.compared import changed, experiment, without


def of_seed(name, seed, shift, weight="0.0", **params):
    params = {"seed": str(seed)} | params
    metrics = {"test/psnr": 28.0 - seed}
    return experiment(f"{name}-{seed}", weight, shift=shift, params=params, metrics=metrics)


def found():
    runs = [of_seed("mse", seed, shift) for seed, shift in enumerate((0.0, 0.1, 0.05))]
    return runs + [of_seed("vgg", seed, 0.6 + seed / 10, "0.01") for seed in (0, 1)]


def test_a_pattern_is_the_mean_of_the_runs_that_differ_in_their_seed_alone():
    mse, vgg = find(found(), ["mse-*", "vgg-?"])
    assert (mse.name, mse.params["seed"], vgg.params["seed"]) == ("mse-*", "0, 1, 2", "0, 1")
    assert mse.metrics["test/psnr"] == 27
    members = [run.results.of_set("test") for run in found()[:3]]
    for id_, score in mse.results.of_set("test").items():
        expected = np.mean([of[id_].sr["psnr"] for of in members])
        assert score.sr["psnr"] == pytest.approx(expected)
        assert score.bicubic == pytest.approx(members[0][id_].bicubic)
    (comparison,) = compare_all([mse, vgg])
    text = wording.as_text([comparison])
    assert [len(each) for each in comparison.differences["test"][0].trainings] == [3, 2]
    assert "A is 3 trainings; least and greatest mean: PSNR " in text
    assert "One training each" not in text


def test_one_training_of_each_says_that_seeds_were_not_tested():
    text = wording.as_text(compare_all(find(found(), ["mse-0", "vgg-[1]"])))
    assert "One training each: whether another seed would tell otherwise was not tested." in text
    mixed = wording.as_text(compare_all(find(found(), ["mse-*", "vgg-1"])))
    assert "B is one training: of it, no other seed was tested." in mixed


def test_of_equal_seeds_the_newest_counts_and_what_one_lacks_is_not_measured():
    newest = of_seed("mse", 0, 0.3)
    lacking = changed(of_seed("mse", 1, 0.3), lambda i, score: without(score, "gmsd"))
    (mse,) = find([newest, lacking, *found()], ["mse-*"])
    assert mse.params["seed"] == "0, 1, 2"
    assert {tuple(score.sr) for score in mse.results.of_set("test").values()} == {("psnr", "ssim")}


def test_a_pattern_that_mixes_experiments_is_refused():
    other = of_seed("mse", 3, 0.0, **{"train.steps": "9"})
    with pytest.raises(StageError, match=r"'mse-\*' means .*more than their seed: train.steps"):
        find([*found(), other], ["mse-*"])
    with pytest.raises(StageError, match=r"no experiment 'gan\*'"):
        find(found(), ["gan*"])


def test_each_experiment_is_set_against_the_first():
    comparisons = compare_all(find(found(), ["mse-0", "mse-1", "vgg-0"]))
    assert [list(each.sides) for each in comparisons] == [["A", "B"], ["A", "C"]]
    alone = compare_all(find(found(), ["mse-0", "vgg-0"]))[0].differences["test"]
    together = comparisons[1].differences["test"]
    assert {d.tests for d in together} == {2 * len(alone)}
    assert all(d.p_value >= other.p_value for d, other in zip(together, alone, strict=True))
    text = wording.as_text(comparisons)
    assert "B beside A" in text
    assert "A is significantly better in PSNR" in text.partition("C beside A")[2]
    assert "C was trained with a perceptual loss." in text
    html = page.render(comparisons)
    assert "<title>mse-0, mse-1, vgg-0</title>" in html
    assert html.count('"C": "data:image/png') == 3
    assert html.count('data-other="C better"') == 3
