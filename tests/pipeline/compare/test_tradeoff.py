from dataclasses import replace
from unittest.mock import Mock

import pytest
from matplotlib.figure import Figure
from PIL import Image

from pipeline.compare import figure, runs, tradeoff
from pipeline.stage import StageError
from srcnn import figures
from srcnn.scoring.measures import GMSD, LPIPS, VGG19
from tests.pipeline.compare.compared import changed, experiment, without
from tests.pipeline.experiment import load_params


def swept(weight, psnr, vgg19, name=None, features="VGG19 mse (conv5_4)", **settings):
    results = {"test/psnr": psnr, "test/ssim": 0.8, "test/vgg19": vgg19}
    baseline = {"test/psnr_bicubic": 25.0, "test/vgg19_bicubic": 0.5}
    return experiment(
        name or f"w{weight}",
        weight,
        metrics=results | baseline,
        measures=("psnr", "ssim", "gmsd", "vgg19", "lpips"),
        evaluation={"loss": f"mse + {weight} {features}" if float(weight) else "mse"},
        **settings,
    )


def sweep():
    return [swept("0.01", 27, 0.1), swept("0.0", 28, 0.4), swept("0.001", 27.6, 0.3)]


def test_a_sweep_is_the_newest_that_differ_in_their_loss_alone_by_weight():
    left_out = [
        swept("0.1", 20, 0.1, params={"train.steps": "9"}),
        swept("0.2", 20, 0.1, tags={"data.pairs": "other"}),
    ]
    unused = {"loss.vgg19_weights": "mine.pth"}  # of the pixel loss
    newer = swept("0.0", 28.5, 0.4, name="newer", params=unused)
    other = swept("0.3", 26, 0.1, params={"evaluate.lpips": "true"})
    found = [*left_out, newer, *sweep(), other]
    names = [run.name for run in tradeoff.newest_sweep(found)]
    assert names == ["newer", "w0.001", "w0.01", "w0.3"]


@pytest.mark.parametrize(
    "found", [[], [experiment("a"), experiment("b", params={"loss.pixel": "l1"})], sweep()[:1]]
)
def test_no_sweep_is_an_error_that_tells_how_to_make_one(found):
    with pytest.raises(StageError, match="dvc exp run --queue"):
        tradeoff.newest_sweep(found)


def of_three_pictures(made):
    return changed(made, lambda i, score: without(score, "vgg19") if i >= 3 else score)


def test_measure_is_the_first_that_all_have_taken_in_the_same_way():
    found = sweep()
    assert tradeoff.measure_of_all(found, tradeoff.AXES) == VGG19
    found[0].metrics["test/lpips"] = 0.1
    assert tradeoff.measure_of_all(found, tradeoff.AXES) == VGG19
    found[0].results.evaluation["vgg19_weights"] = "other"
    assert tradeoff.measure_of_all(found, tradeoff.AXES) == GMSD
    with pytest.raises(StageError, match=r"not all 3 experiments have LPIPS.* without"):
        tradeoff.measure_of_all(found, [LPIPS])
    with pytest.raises(StageError, match=r"w0\.01 \(run .*\) with other"):
        tradeoff.measure_of_all(found, [VGG19])
    found = sweep()
    found[0] = of_three_pictures(found[0])
    assert tradeoff.measure_of_all(found, tradeoff.AXES) == GMSD
    with pytest.raises(StageError, match=r"w0\.01 \(run .*\) of 3 pictures, .* of 24 pictures"):
        tradeoff.measure_of_all(found, [VGG19])


def test_a_figure_for_print_shows_every_run_but_no_values_of_different_weights(
    monkeypatch, tmp_path
):
    draw = Mock(return_value=Figure())
    monkeypatch.setattr(figures, "side_by_side", draw)
    for measure in (VGG19, GMSD):
        found = [replace(run, name="of one name") for run in sweep()]
        found[0].results.evaluation["vgg19_weights"] = "other" if measure == GMSD else None
        figure.write(tmp_path / "figure.png", found, ["picture00"])
        (row,) = draw.call_args.args[0]
        assert row["HR"].captions == ("PSNR in dB / SSIM", measure.title)
        assert len(row) == 3 + len(found)


@pytest.fixture
def said_of(tmp_path, monkeypatch, capsys):
    """Draws the trade-off of experiments; what is said of them."""

    def said_of(found):
        monkeypatch.setattr(runs, "published", lambda _: found)
        tradeoff.main(load_params(), tradeoff.parse(["--output", str(tmp_path / "tradeoff.png")]))
        return capsys.readouterr().out

    return said_of


def test_it_says_of_how_many_pictures_and_which_measure_it_is(said_of):
    found = [of_three_pictures(each) for each in sweep()]
    said = said_of(found)
    assert "\n  PSNR and SSIM: 24 sources, 24 pictures\n" in said
    assert "VGG19 distance: 3 sources, 3 pictures (differences cannot be decided with 3" in said
    found[0].results.evaluation["vgg19_weights"] = "other"
    found[0].metrics["test/gmsd_bicubic"] = found[1].metrics["test/gmsd_bicubic"] = 0.1
    assert "GMSD is drawn: not all have SIFID or LPIPS or VGG19 distance" in said_of(found)


def test_figure_has_a_line_for_each_kind_of_loss(said_of, tmp_path, monkeypatch):
    relu = "random (untrained) VGG19 mse (conv5_4 + 0.5 relu2_2)"
    mine = {"loss.vgg19_weights": "weights/mine.pth"}
    found = [swept("0.02", 26, 0.2, features=relu), swept("0.03", 25, 0.15, params=mine), *sweep()]
    draw = Mock(wraps=figures.tradeoff)
    monkeypatch.setattr(figures, "tradeoff", draw)
    assert "w0.001" in said_of(found)
    drawn = draw.call_args.args[0]
    start = ("0", 28, 0.4)
    conv = "SRCNN, mse + weight × VGG19 mse (conv5_4)"
    assert {name: [(p.label, p.psnr, p.measure) for p in line] for name, line in drawn.items()} == {
        conv: [start, ("0.001", 27.6, 0.3), ("0.01", 27, 0.1)],
        f"SRCNN, mse + weight × {relu}": [start, ("0.02", 26, 0.2)],
        f"{conv}, mine.pth": [start, ("0.03", 25, 0.15)],
    }
    assert min(Image.open(tmp_path / "tradeoff.png").size) > 400
