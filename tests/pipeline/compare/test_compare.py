import json
import re
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.base import paths
from pipeline.base.stage import StageError
from pipeline.compare import __main__ as compare
from pipeline.compare import experiments, wording
from pipeline.compare.results import compare_experiments
from pipeline.tracking.store import EXPERIMENTS, STATE, Store
from tests.pipeline.compare.compared import experiment, parts
from tests.pipeline.experiment import load_params


def gain(value, **other):
    """A gain and perceptual measures on validation pictures, the best of all on test pictures."""
    judged = {f"val/{name}": v for name, v in other.items()}
    return {"val/psnr_gain": value} | judged | {f"test/{name}": 1 - v for name, v in other.items()}


# --- which two ---


def test_best_pixel_only_and_best_perceptual_run_are_chosen():
    found = [
        experiment("weak", metrics=gain(1.0)),
        experiment("strong", metrics=gain(1.5)),
        experiment("light", "0.001", metrics=gain(1.4, lpips=0.3, gmsd=0.05)),
        experiment("heavy", "0.01", metrics=gain(0.9, lpips=0.2, gmsd=0.09)),
    ]
    a, b = compare.best_of_each_kind(found)
    assert (a.name, b.name) == ("strong", "heavy")


@pytest.mark.parametrize(
    ("lpips", "weights", "best"),
    [
        ((0.2, 0.3), ("imagenet", "mine.pth"), "light"),
        ((0.2, None), ("imagenet", "imagenet"), "heavy"),
        ((0.2, None), ("imagenet", "mine.pth"), "light"),
    ],
)
def test_judge_is_one_that_all_perceptual_runs_have_with_the_same_weights(lpips, weights, best):
    found = [experiment("pixel")]
    for name, lpips_, vgg19, gmsd, file in (
        ("light", lpips[0], 0.3, 0.05, weights[0]),
        ("heavy", lpips[1], 0.1, 0.09, weights[1]),
    ):
        judged = {"vgg19": vgg19, "gmsd": gmsd} | ({"lpips": lpips_} if lpips_ else {})
        tags = {"vgg19_weights": file}
        found.append(experiment(name, "0.01", tags=tags, metrics=gain(1.0, **judged)))
    assert compare.best_of_each_kind(found)[1].name == best


def test_gains_on_other_validation_pictures_are_not_compared():
    two = {"train.val_pictures": "2"}
    found = [
        experiment("perceptual", "0.01"),
        experiment("lucky", metrics=gain(9), params=two),
        experiment("lucky perceptual", "0.01", metrics=gain(9, gmsd=0.0), params=two),
        experiment("pixel"),
    ]
    assert [e.name for e in compare.best_of_each_kind(found)] == ["pixel", "perceptual"]


def test_untrained_features_and_runs_that_were_not_validated_never_win():
    random = {"loss.vgg19_weights": "random"}
    old = experiment("old", "0.01", metrics={"test/gmsd": 0.0})
    del old.metrics["val/gmsd"]
    others = [
        experiment("pixel"),
        experiment("untrained", "0.01", metrics=gain(1, gmsd=0.0), params=random),
        old,
    ]
    with pytest.raises(StageError, match="with a trained VGG19 and evaluated by this code"):
        compare.best_of_each_kind(others)
    chosen = compare.best_of_each_kind([*others, experiment("real", "0.01")])
    assert [e.name for e in chosen] == ["pixel", "real"]


def test_chosen_pair_is_of_one_data_set_the_newest_with_both_kinds():
    found = [
        experiment("lonely", tags={"data.pairs": "x2"}),
        experiment("new", "0.01", tags={"data.pairs": "new"}),
        experiment("base", tags={"data.pairs": "new"}),
        experiment("old", "0.01", metrics=gain(9, gmsd=0.0)),
        experiment("best of all", metrics=gain(9)),
    ]
    assert [e.name for e in compare.best_of_each_kind(found)] == ["base", "new"]


def test_one_kind_only_is_an_error_that_names_what_there_is():
    with pytest.raises(StageError, match=r"(?s)same data.*perceptual_weight=0\.01.*pixel \(run"):
        compare.best_of_each_kind([experiment("pixel")])


@pytest.mark.parametrize(
    "name", ["main-1a2b3c4", "first-exp", "second-exp", "17", "RUN", "RUN_START"]
)
def test_experiment_is_found_by_any_of_its_names(name):
    tags = {EXPERIMENTS: "first-exp, second-exp", "model.version": "17"}
    wanted = experiment("main-1a2b3c4", tags=tags)
    name = {"RUN": wanted.run_id, "RUN_START": wanted.run_id[:8]}.get(name, name)
    assert compare.find([experiment("other"), wanted, experiment("third")], name) is wanted


def test_newest_of_one_name_is_taken():
    newest, older = experiment("main-1a2b3c4"), experiment("main-1a2b3c4")
    assert compare.find([newest, older], "main-1a2b3c4") is newest


def test_unknown_experiment_is_an_error_that_names_what_there_is():
    with pytest.raises(StageError, match=r"(?s)no experiment 'nothing'.*pixel \(run.*version 1"):
        compare.find([experiment("pixel")], "nothing")


# --- what cannot be compared ---


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
        compare_experiments(experiment("pixel"), other)


@pytest.mark.parametrize("change", [{"luma": "studio"}, {"shave": 0}, {"scale": 2}])
def test_other_protocol_is_refused(change):
    with pytest.raises(StageError, match=f"scored in different ways.*{next(iter(change))}"):
        compare_experiments(experiment("pixel"), experiment("other", evaluation=change))


def test_other_test_pictures_are_refused():
    with pytest.raises(StageError, match="different test pictures"):
        compare_experiments(experiment("pixel"), experiment("other", count=23))


def test_an_experiment_is_not_compared_with_itself():
    one = experiment("pixel")
    with pytest.raises(StageError, match="with itself"):
        compare_experiments(one, one)


# --- what is compared ---


def test_every_measure_is_compared_in_pairs():
    a = experiment("pixel", measures=("psnr", "new"))
    b = experiment("other", shift=0.5, measures=("psnr", "new"))
    psnr, new = compare_experiments(a, b).differences["test"]
    mine, other = a.results.scores, b.results.scores
    assert psnr.mean == pytest.approx((other["psnr"] - mine["psnr"]).mean())
    assert (psnr.better, new.measure, new.better) == ("a", "new", "b")


def test_order_of_the_pictures_does_not_matter():
    a, b = experiment("pixel"), experiment("other", shift=0.5)
    expected = compare_experiments(a, b).differences
    b.__dict__["results"] = replace(
        b.results, scores=b.results.scores.sample(frac=1, random_state=0)
    )
    assert compare_experiments(a, b).differences == expected


def test_measure_taken_of_some_pictures_is_compared_on_those():
    a, b = [experiment(n, measures=("psnr", "lpips")) for n in ("pixel", "other")]
    a.results.scores.loc[4:, ["lpips", "lpips_bicubic"]] = np.nan
    b.results.scores.loc[:1, "lpips"] = np.nan
    psnr, lpips = compare_experiments(a, b).differences["test"]
    assert (psnr.pictures, lpips.pictures) == (24, 2)


def test_measure_that_one_lacks_is_said_to_be_missing_and_why():
    note = "not measured (AlexNet is not in torch's cache)"
    a = experiment("pixel", evaluation={"lpips_note": note})
    b = experiment("other", measures=("psnr", "lpips"))
    comparison = compare_experiments(a, b)
    assert [d.measure for d in comparison.differences["test"]] == ["psnr"]
    assert f"LPIPS is not compared: A: {note}." in wording.as_text(comparison)


def test_distances_of_different_weights_are_not_compared():
    a, b = [
        experiment(n, measures=("psnr", "vgg19"), evaluation={"vgg19_weights": n})
        for n in ("imagenet", "mine.pth")
    ]
    comparison = compare_experiments(a, b)
    assert [d.measure for d in comparison.differences["test"]] == ["psnr"]
    assert "different weights: imagenet and mine.pth" in wording.as_text(comparison)


def test_test_sets_of_both_are_compared_after_the_held_out_pictures():
    a, b = experiment("pixel"), experiment("other", shift=0.5)
    for each, names in ((a, ("Set5", "Set14")), (b, ("Set5",))):
        table = each.results.scores
        more = [table.head(5).assign(set=name) for name in names]
        each.__dict__["results"] = replace(each.results, scores=pd.concat([*more, table]))
    comparison = compare_experiments(a, b)
    assert {name: of_set[0].pictures for name, of_set in comparison.differences.items()} == {
        "test": 24,
        "Set5": 5,
    }
    assert "Test set Set14 is not compared: only A was scored on it." in wording.as_text(comparison)


def change_a_picture(table):
    table.loc[table.index[0], "pixels"] = "other pixels"


def rename_all(table):
    table["id"] = "other/" + table["id"]


def forget_pixels(table):
    table["pixels"] = np.nan


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (change_a_picture, "the same pictures for A and B: 4 of 5 and 5 are the same"),
        (rename_all, "the same pictures for A and B: 0 of 5 and 5 are the same"),
        (forget_pixels, "older code did not record which pixels it scored"),
    ],
)
def test_test_sets_of_other_pictures_under_the_same_name_are_left_out(change, why):
    a, b = experiment("pixel"), experiment("other", shift=0.5)
    for each in (a, b):
        more = each.results.scores.head(5).assign(set="Set5")
        if each is b:
            change(more)
        table = pd.concat([each.results.scores, more], ignore_index=True)
        each.__dict__["results"] = replace(each.results, scores=table)
    text = wording.as_text(compare_experiments(a, b))
    assert re.search(f"Test set Set5 is not compared: .*{why}", text)
    assert "Set5: 5 pictures" not in text


def test_features_of_studio_luma_are_not_compared_with_what_older_code_saw():
    settings = {"measures": ("psnr", "vgg19"), "evaluation": {"luma": "studio"}}
    a, b = experiment("new", **settings), experiment("old", **settings)
    assert [d.measure for d in compare_experiments(a, b).differences["test"]] == ["psnr", "vgg19"]
    older = b.results.scores.drop(columns="pixels")
    b.__dict__["results"] = replace(b.results, scores=older)
    comparison = compare_experiments(a, b)
    assert [d.measure for d in comparison.differences["test"]] == ["psnr"]
    assert "B is of older code" in comparison.unmeasured["vgg19"]


def test_parameters_that_differ_are_listed_but_not_where_it_is_tracked():
    more = {"train.steps": "9", "tracking.experiment": "elsewhere"}
    comparison = compare_experiments(experiment("a"), experiment("b", "0.01", params=more))
    assert comparison.parameters == {
        "loss.perceptual_weight": ("0.0", "0.01"),
        "train.steps": ("–", "9"),
    }
    assert "not of the loss alone: train.steps" in wording.as_text(comparison)


# --- in words ---


def test_text_says_what_is_significant_and_what_is_to_be_expected():
    a, b = experiment("pixel"), experiment("perceptual", "0.01", shift=0.5)
    text = wording.as_text(compare_experiments(a, b))
    assert re.search(
        r"A is significantly better in PSNR \(by 0\.\d\d dB\) and SSIM \(by 0\.\d{4}\); "
        r"B is significantly better in GMSD \(by 0\.\d{4}\)\.",
        text,
    )
    assert "B was trained with a perceptual loss. It is expected to lose PSNR" in text
    other_way = wording.as_text(compare_experiments(b, a))
    assert "A was trained with a perceptual loss" in other_way
    assert "B is significantly better in PSNR" in other_way


def test_equal_experiments_do_not_differ_significantly():
    text = wording.as_text(compare_experiments(experiment("pixel"), experiment("other")))
    assert "No significant difference in PSNR, SSIM and GMSD." in text
    assert "expected to lose" not in text


@pytest.mark.parametrize(
    ("tiles", "counted"), [(8, "3 source pictures"), (24, "one source picture")]
)
def test_few_sources_decide_nothing(tiles, counted):
    a, b = (experiment(n, shift=s, tiles=tiles) for n, s in (("pixel", 0), ("other", 0.5)))
    text = wording.as_text(compare_experiments(a, b))
    assert f"come from {counted}: too few" in text
    assert "significantly" not in text


# --- from MLflow alone ---


def publish(store, folder, made, results):
    """What register puts into MLflow, as far as a comparison needs it."""
    (folder / "metrics").mkdir(parents=True)
    results.scores.to_csv(folder / paths.PER_IMAGE, index=False)
    results.curve.to_csv(folder / paths.TRAINING_CURVE, index=False)
    (folder / paths.EVALUATION).write_text(json.dumps(results.evaluation))
    (folder / "reconstructions").mkdir()
    index = []
    for k, picture in enumerate(results.pictures):
        index.append({"file": f"{k:02d}", "id": picture.id, "whole": picture.whole})
        for kind, content in picture.png.items():
            (folder / f"reconstructions/{k:02d}-{kind}.png").write_bytes(content)
    (folder / "reconstructions/index.json").write_text(json.dumps(index))
    run = store.client.create_run(store.experiment_id, run_name=made.name)
    store.log_params(run.info.run_id, made.params)
    store.log_metrics(run.info.run_id, made.metrics)
    store.client.log_artifacts(run.info.run_id, str(folder))
    store.tag(run.info.run_id, made.tags | {STATE: "published"})
    return run.info.run_id


def test_two_runs_are_compared_from_mlflow_alone(project, capsys):
    store = Store("portrait-srcnn")
    a, b = parts("pixel"), parts("perceptual", "0.01", shift=0.5)
    ids = [publish(store, project / f"made{i}", *pair) for i, pair in enumerate((a, b))]
    store.client.create_run(store.experiment_id, run_name="unfinished")
    found = experiments.published(experiments.open_store("portrait-srcnn"))
    assert [e.run_id for e in found] == ids[::-1]
    read = found[0].results
    pd.testing.assert_frame_equal(read.scores, b[1].scores, check_dtype=False)
    assert read.pictures == b[1].pictures
    assert read.evaluation == b[1].evaluation

    output = project / "page.html"
    compare.main(load_params(), [], output)
    printed = capsys.readouterr().out
    assert f"A  pixel (run {ids[0][:8]})" in printed
    assert "significantly better in PSNR" in printed
    assert ids[1] in output.read_text(encoding="utf-8")

    compare.main(load_params(), ["perceptual", ids[0]], output)
    assert f"B  pixel (run {ids[0][:8]})" in capsys.readouterr().out

    store.client.delete_run(ids[1])
    with pytest.raises(StageError, match="no pixel-only and perceptual experiment"):
        compare.main(load_params(), [], output)


def test_missing_store_is_not_made(project):
    with pytest.raises(StageError, match=r"there is no MLflow store.*dvc repro"):
        compare.main(load_params(), [], project / "page.html")
    assert not (project / "mlflow.db").exists()


@pytest.mark.parametrize("names", [["one"], ["one", "two", "three"]])
def test_two_names_or_none(names, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare", *names])
    with pytest.raises(SystemExit):
        compare._arguments()
    assert f"two experiments or none, not {len(names)}" in capsys.readouterr().err
