import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import main
from pipeline.stage import StageError, paths
from srcnn.data.pairs import Pairs
from srcnn.inference import packaged
from srcnn.inference.resolver import SuperResolver
from srcnn.scoring.measures import GMSD, LR_PSNR, PSNR, SIFID, SSIM, VGG19, Context
from srcnn.scoring.protocol import score_pairs
from tests.pipeline.experiment import SCALE, load_params, picture, write_experiment, write_picture
from tests.support import small_project

CLASSICAL = {m: m.make(Context(scale=SCALE)) for m in (PSNR, SSIM, GMSD, LR_PSNR)}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """An experiment with its evaluation, by two test sets beside its test split."""
    folder = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        small_project.enter(folder, patch)
        Path(".dvc").mkdir()
        write_experiment()
        gray = picture(0, 45, 51)
        write_picture(Path("sets/one/b.png"), gray)
        write_picture(Path("sets/one/a.bmp"), np.stack([gray] * 3, axis=2))
        write_picture(Path("sets/two/c.png"), picture(2))
        for version in ("LR", "bicubic"):
            write_picture(Path(f"sets/two/d_{version}.png"), picture(9))
        write_picture(Path("sets/two/d_HR.png"), picture(9))
        Path("sets/one/README.txt").write_text("not a picture")
        main(load_params({"evaluate.test_sets": sets()}))
    return folder


def sets():
    return {"One": "sets/one", "Two": str(Path("sets/two").resolve())}


@pytest.fixture
def results(evaluated, monkeypatch):
    """per_image.csv and evaluation.json, in the experiment's folder."""
    small_project.enter(evaluated, monkeypatch)
    return pd.read_csv(paths.PER_IMAGE), json.loads(paths.EVALUATION.read_text())


def test_the_test_split_is_scored_and_the_summary_is_that_of_the_table(results):
    table, figures = results
    table = table[table["set"] == "test"]
    test = Pairs.open(paths.PAIRS).split("test")
    model = SuperResolver.load(paths.WEIGHTS)
    expected = list(score_pairs((model(lr) for lr, _ in test), test, CLASSICAL))
    assert list(table["id"]) == ["p2", "p3", "p4", "p5", "p6"]
    assert list(table["source"].str[-1]) == list("11223")
    for name in (measure.name for measure in CLASSICAL):
        sr = [score.sr[name] for score in expected]
        bicubic = [score.bicubic[name] for score in expected]
        assert list(table[name]) == pytest.approx(sr, abs=1e-6)
        assert list(table[f"{name}_bicubic"]) == pytest.approx(bicubic, abs=1e-6)
    gain = table["psnr"] - table["psnr_bicubic"]
    wanted = {
        "psnr": table["psnr"].mean(),
        "psnr_std": table["psnr"].std(),
        "psnr_bicubic": table["psnr_bicubic"].mean(),
        "psnr_gain": gain.mean(),
        "psnr_source_gain": gain.groupby(table["source"]).mean().mean(),
        "pictures": 5,
        "sources": 3,
    }
    assert {name: figures[name] for name in wanted} == pytest.approx(wanted, abs=2e-6)


def test_dvcs_tables_show_a_few_numbers_in_the_digits_that_count(results):
    _, figures = results
    summary = json.loads(paths.SUMMARY.read_text())
    measures = ["psnr_gain", "psnr", "ssim", "gmsd", "lr_psnr", "vgg19", "sifid"]
    assert list(summary) == [f"{of}{name}" for of in ("", "One_", "Two_") for name in measures]
    assert summary["One_psnr"] == round(figures["test_sets"]["One"]["psnr"], 2)
    assert summary["One_ssim"] == round(figures["test_sets"]["One"]["ssim"], 4)
    assert summary["psnr_gain"] == round(figures["psnr_gain"], 2)


def test_the_figures_say_what_they_are_figures_of(results):
    _, figures = results
    assert figures["scale"] == figures["shave"] == 2
    assert figures["luma"] == figures["model_luma"] == "full"
    # 3x3 kernels from 1 to 4 maps, 1x1 from 4 to 3, 3x3 from 3 to 1; and 4 + 3 + 1 biases.
    assert figures["macs_per_pixel"] == 36 + 12 + 27
    assert figures["parameters"] == 36 + 12 + 27 + 8
    speed = json.loads(paths.SPEED.read_text())
    assert speed["megapixels_per_second"] > 0
    assert (speed["device"], speed["threads"]) == ("cpu", 1)


def test_validation_pictures_are_measured_as_many_as_the_training_looked_at(results):
    table, figures = results
    pairs = Pairs.open(paths.PAIRS)
    mine, standard = map(SuperResolver.load, (paths.WEIGHTS, packaged.file("packaged:x2")))
    functions = CLASSICAL | {measure: measure.make(Context()) for measure in (VGG19, SIFID)}
    val = pairs.split("val")
    (score,) = score_pairs([mine(val.lr(0))], val, functions)
    (other,) = score_pairs([standard(val.lr(0))], val, CLASSICAL)
    assert figures["validation"] == {
        "pictures": 1,
        "psnr_bicubic": pytest.approx(score.bicubic["psnr"], abs=1e-6),
        "psnr_over_packaged": pytest.approx(score.sr["psnr"] - other.sr["psnr"], abs=1e-6),
        **{m.name: pytest.approx(score.sr[m.name], abs=1e-6) for m in CLASSICAL},
        "vgg19": pytest.approx(score.sr["vgg19"], abs=1e-5),
        "lpips": None,
        "sifid": pytest.approx(score.sr["sifid"], rel=1e-4),
        "niqe": None,
    }
    assert "p1" not in list(table["id"])


def test_test_sets_are_scored_in_studio_luma_beside_the_test_split(results):
    table, figures = results
    assert table.loc[5:, ["set", "id", "luma"]].to_numpy().tolist() == [
        ["One", "a.bmp", "studio"],
        ["One", "b.png", "full"],
        ["Two", "c.png", "full"],
        ["Two", "d_HR.png", "full"],  # not what was made of it
    ]
    # The same errors are larger in a gray picture, which is scored as it is.
    scores = table[["psnr", "psnr_bicubic"]]
    lost = list(scores.loc[5] - scores.loc[6])
    assert lost == pytest.approx([20 * math.log10(255 / 219)] * 2, abs=0.05)
    one, two = figures["test_sets"]["One"], figures["test_sets"]["Two"]
    assert (one["luma"], one["model_luma"], one["pictures"]) == ("studio", "full", 2)
    assert one["luma_note"] == "1 of 2 pictures are gray and scored as they are, in full luma"
    assert (two["luma"], "luma_note" in two) == ("full", False)
    assert two["psnr_source_gain_ci95"] is None
    # Every scored picture is identified by its pixels.
    digests = table.set_index("id")["pixels"]
    assert digests["p2"] == digests["c.png"]
    assert digests.nunique() == 8


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("Mine", "named", r"'a\\nb\.png' cannot be used: its name has a line break"),
        ("Mine", "small", r"tiny\.png is 40x15.*at least 15x15"),
        ("test", "small", "held-out"),
    ],
)
def test_a_wrong_test_set_stops_before_anything_is_looked_at(
    tmp_path, monkeypatch, name, folder, message
):
    small_project.enter(tmp_path, monkeypatch)
    write_picture(Path("named/a\nb.png"), picture(0, 40, 40))
    write_picture(Path("small/tiny.png"), picture(0, 15, 40))
    with pytest.raises(StageError, match=message) as error:
        main(load_params({"evaluate.test_sets": {name: folder}}))
    assert f"evaluate.test_sets.{name}" in str(error.value)
