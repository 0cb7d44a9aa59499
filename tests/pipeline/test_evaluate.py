import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate import main
from pipeline.stage import StageError, paths
from srcnn import packaged
from srcnn.inference import SuperResolver
from srcnn.pairs import Pairs
from srcnn.scoring.measures import GMSD, PSNR, SSIM, VGG19, Context
from srcnn.scoring.protocol import score_pairs
from tests.pipeline.experiment import load_params, picture, write_experiment, write_picture

CLASSICAL = {measure: measure.make(Context()) for measure in (PSNR, SSIM, GMSD)}


@pytest.fixture(autouse=True)
def experiment(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    write_experiment()


def evaluation():
    return json.loads(paths.EVALUATION.read_text())


def per_image():
    with paths.PER_IMAGE.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_test_split_is_scored_and_no_other_picture():
    main(load_params())

    test = Pairs.open(paths.PAIRS).split("test")
    expected = list(score_pairs(SuperResolver.load(paths.WEIGHTS), test, CLASSICAL))
    rows = per_image()
    assert [row["id"] for row in rows] == ["p2", "p3", "p4", "p5", "p6"]
    assert {row["set"] for row in rows} == {"test"}
    for row, score in zip(rows, expected, strict=True):
        for name in ("psnr", "ssim", "gmsd"):
            assert float(row[name]) == pytest.approx(score.sr[name], abs=1e-6)
            assert float(row[f"{name}_bicubic"]) == pytest.approx(score.bicubic[name], abs=1e-6)


def test_the_summary_is_that_of_the_table():
    main(load_params())

    rows, figures = per_image(), evaluation()
    psnr, baseline = (
        np.array([float(row[name]) for row in rows]) for name in ("psnr", "psnr_bicubic")
    )
    assert figures["psnr"] == pytest.approx(psnr.mean(), abs=2e-6)
    assert figures["psnr_std"] == pytest.approx(psnr.std(ddof=1), abs=2e-6)
    assert figures["psnr_bicubic"] == pytest.approx(baseline.mean(), abs=2e-6)
    assert figures["psnr_gain"] == pytest.approx((psnr - baseline).mean(), abs=2e-6)
    assert [row["source"] for row in rows] == [
        "source1",
        "source1",
        "source2",
        "source2",
        "source3",
    ]
    gain = psnr - baseline
    by_source = np.mean([gain[:2].mean(), gain[2:4].mean(), gain[4]])
    assert figures["psnr_source_gain"] == pytest.approx(by_source, abs=2e-6)
    assert (figures["pictures"], figures["sources"]) == (5, 3)


def test_dvcs_tables_show_a_few_numbers_in_the_digits_that_count():
    write_picture(Path("sets/one/a.png"), picture(2, 41, 49))
    main(load_params(test_sets={"One": "sets/one"}))

    summary = json.loads(paths.SUMMARY.read_text())
    measures = ["psnr_gain", "psnr", "ssim", "gmsd", "vgg19"]
    assert list(summary) == [*measures, *(f"One_{name}" for name in measures)]
    of_set = evaluation()["test_sets"]["One"]
    assert summary["One_psnr"] == round(of_set["psnr"], 2)
    assert summary["One_ssim"] == round(of_set["ssim"], 4)
    assert summary["psnr_gain"] == round(evaluation()["psnr_gain"], 2)


def test_the_figures_say_what_they_are_figures_of():
    main(load_params())

    figures = evaluation()
    assert figures["scale"] == figures["shave"] == 2
    assert figures["luma"] == figures["model_luma"] == "full"
    # 3x3 kernels from 1 to 4 maps, 1x1 from 4 to 3, 3x3 from 3 to 1; and 4 + 3 + 1 biases.
    assert figures["macs_per_pixel"] == 36 + 12 + 27
    assert figures["parameters"] == 36 + 12 + 27 + 8
    assert figures["test_sets"] == {}


def test_validation_pictures_are_judged_as_many_as_the_training_looked_at():
    pairs = Pairs.open(paths.PAIRS)
    mine, standard = map(SuperResolver.load, (paths.WEIGHTS, packaged.file("packaged:x2")))
    functions = CLASSICAL | {VGG19: VGG19.make(Context())}
    (score,) = score_pairs(mine, pairs.split("val"), functions)
    (other,) = score_pairs(standard, pairs.split("val"), CLASSICAL)
    main(load_params())

    assert evaluation()["validation"] == {
        "pictures": 1,
        "psnr_bicubic": pytest.approx(score.bicubic["psnr"], abs=1e-6),
        "psnr_over_packaged": pytest.approx(score.sr["psnr"] - other.sr["psnr"], abs=1e-6),
        **{name: pytest.approx(score.sr[name], abs=1e-6) for name in ("psnr", "ssim", "gmsd")},
        "vgg19": pytest.approx(score.sr["vgg19"], abs=1e-5),
        "lpips": None,
    }
    assert "p1" not in {row["id"] for row in per_image()}


def test_every_scored_picture_is_identified_by_its_pixels():
    write_picture(Path("sets/one/a.png"), picture(2, 41, 49))
    write_picture(Path("sets/two/b.png"), picture(2, 40, 48))
    main(load_params(test_sets={"One": "sets/one", "Two": "sets/two"}))

    digests = {row["id"]: row["pixels"] for row in per_image()}
    assert digests["p2"] == digests["b.png"]
    assert len(set(digests.values())) == 6


def test_the_same_experiment_gives_the_same_files_and_speed_is_kept_apart():
    main(load_params())
    first = paths.EVALUATION.read_bytes(), paths.PER_IMAGE.read_bytes()
    main(load_params())

    assert (paths.EVALUATION.read_bytes(), paths.PER_IMAGE.read_bytes()) == first
    speed = json.loads(paths.SPEED.read_text())
    assert speed["megapixels_per_second"] > 0
    assert (speed["device"], speed["threads"]) == ("cpu", 1)


def test_test_sets_are_scored_in_studio_luma_beside_the_test_split():
    gray = picture(0, 45, 51)
    write_picture(Path("sets/one/b.png"), gray)
    write_picture(Path("sets/one/a.bmp"), np.stack([gray] * 3, axis=2))
    write_picture(Path("sets/two/c.png"), picture(9))
    Path("sets/one/README.txt").write_text("not a picture")

    main(load_params(test_sets={"One": "sets/one", "Two": str(Path("sets/two").resolve())}))

    rows, figures = per_image(), evaluation()
    assert [(row["set"], row["id"]) for row in rows[5:]] == [
        ("One", "a.bmp"),
        ("One", "b.png"),
        ("Two", "c.png"),
    ]
    # The same errors are larger in a gray picture, which is scored as it is.
    assert [row["luma"] for row in rows[4:]] == ["full", "studio", "full", "full"]
    lost = [float(rows[5][name]) - float(rows[6][name]) for name in ("psnr", "psnr_bicubic")]
    assert lost == pytest.approx([20 * math.log10(255 / 219)] * 2, abs=0.05)
    one, two = figures["test_sets"]["One"], figures["test_sets"]["Two"]
    assert (one["luma"], one["model_luma"], one["pictures"]) == ("studio", "full", 2)
    assert one["luma_note"] == "1 of 2 pictures are gray and scored as they are, in full luma"
    assert (two["luma"], "luma_note" in two) == ("full", False)
    assert two["psnr_source_gain_ci95"] is None
    assert set(two) < set(figures)
    # The test split's own figures do not change with the sets scored beside it.
    main(load_params())
    assert evaluation()["psnr"] == figures["psnr"]


def test_of_pictures_beside_their_lr_the_hr_alone_is_scored(capsys):
    for seed, version in enumerate(("HR", "LR", "bicubic", "nearest")):
        write_picture(Path(f"set/img_001_SRF_4_{version}.png"), picture(seed))

    main(load_params(test_sets={"S": "set"}))

    assert [row["id"] for row in per_image() if row["set"] == "S"] == ["img_001_SRF_4_HR.png"]
    assert "evaluate.test_sets.S: left out 3 of 4 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", "does not exist"),
        ("params.txt", "is not a folder"),
        ("empty", "holds no picture"),
        ("damaged", r"bad\.png cannot be read"),
        ("named", r"'a\\nb\.png' cannot be used: its name has a line break"),
        ("small", r"tiny\.png is 40x15.*at least 15x15"),
    ],
)
def test_a_wrong_test_set_stops_before_anything_is_scored(folder, message):
    Path("params.txt").write_text("")
    Path("empty").mkdir()
    Path("damaged").mkdir()
    Path("damaged/bad.png").write_bytes(b"\x89PNG and no more")
    write_picture(Path("named/a\nb.png"), picture(0, 40, 40))
    write_picture(Path("small/tiny.png"), picture(0, 15, 40))

    with pytest.raises(StageError, match=message) as error:
        main(load_params(test_sets={"Mine": folder}))

    assert "evaluate.test_sets.Mine" in str(error.value)
    assert not paths.PER_IMAGE.exists()


def test_a_test_set_cannot_take_the_name_of_the_test_split():
    write_picture(Path("set/a.png"), picture(0))

    with pytest.raises(StageError, match=r"test_sets\.test.*held-out"):
        main(load_params(test_sets={"test": "set"}))


@pytest.mark.parametrize("missing", [paths.WEIGHTS, paths.PAIRS / "index.csv"])
def test_what_is_missing_is_named(missing):
    missing.unlink()

    with pytest.raises(StageError, match=missing.name.split(".")[0]):
        main(load_params())
