import csv
import io
import json

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from pipeline import evaluate, plot
from pipeline.stage import StageError, paths
from srcnn.inference import SuperResolver, bicubic
from srcnn.pairs import Pairs
from tests.pipeline.experiment import PROJECT, load_params, write_experiment
from tools import plots_page

FIGURES = ["curves.png", "gain_histogram.png", "reconstructions.png", "snapshots.png"]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(test_pictures=5):
    write_experiment(test_pictures)
    evaluate.main(load_params())
    plot.main(load_params())


def contents():
    return {file.name: file.read_bytes() for file in sorted(paths.FIGURES.iterdir())}


def test_every_figure_is_drawn_and_each_time_the_same(workspace):
    run()
    first = contents()
    (paths.FIGURES / "old.png").touch()
    plot.main(load_params())

    assert list(first) == FIGURES
    assert contents() == first
    for content in first.values():
        image = Image.open(io.BytesIO(content))
        assert min(image.size) > 250
        assert len(content) < 1e6


@pytest.mark.parametrize(
    ("test_pictures", "expected"),
    [(1, ["best"]), (2, ["best", "worst"]), (5, ["best", "median", "worst"])],
)
def test_examples_are_the_best_the_median_and_the_worst(
    workspace, monkeypatch, test_pictures, expected
):
    shown = []
    draw = plot.figures.reconstructions

    def remember(examples, *arguments):
        shown.extend(examples)
        return draw(examples, *arguments)

    monkeypatch.setattr(plot.figures, "reconstructions", remember)
    run(test_pictures)

    with paths.PER_IMAGE.open(newline="") as file:
        gains = {
            row["id"]: float(row["psnr"]) - float(row["psnr_bicubic"])
            for row in csv.DictReader(file)
        }
    ranked = sorted(gains, key=gains.get, reverse=True)
    assert [example.title.split(":")[0] for example in shown] == expected
    assert shown[0].score.id == ranked[0]
    assert shown[-1].score.id == ranked[-1]
    assert shown[len(shown) // 2].score.id == ranked[len(ranked) // 2]


@pytest.mark.parametrize(("test_pictures", "shown"), [(5, 5), (23, 12)])
def test_some_test_pictures_are_kept_for_comparisons(workspace, test_pictures, shown):
    run(test_pictures)

    index = json.loads((paths.RECONSTRUCTIONS / "index.json").read_text())
    ids = [entry["id"] for entry in index]
    everything = sorted(f"p{i + 2}" for i in range(test_pictures))
    assert ids == [everything[k * test_pictures // shown] for k in range(shown)]
    test = Pairs.open(paths.PAIRS).split("test")
    for entry in index:
        i = test.ids.index(entry["id"])
        kept = {kind: reconstruction(entry, kind) for kind in ("lr", "bicubic", "sr", "hr")}
        assert np.array_equal(kept["lr"], test.lr(i))
        assert np.array_equal(kept["hr"], test.hr(i))
        assert np.array_equal(kept["bicubic"], bicubic(test.lr(i), test.scale))
        assert np.array_equal(kept["sr"], SuperResolver.load(paths.WEIGHTS)(test.lr(i)))
        assert entry["whole"]


def test_of_a_large_picture_the_middle_is_kept(workspace, monkeypatch):
    monkeypatch.setattr(plot, "_LARGEST_SIDE", 21)  # ten LR pixels
    run(1)

    (entry,) = json.loads((paths.RECONSTRUCTIONS / "index.json").read_text())
    test = Pairs.open(paths.PAIRS).split("test")
    assert np.array_equal(reconstruction(entry, "lr"), test.lr(0)[5:15, 7:17])
    assert np.array_equal(reconstruction(entry, "hr"), test.hr(0)[10:30, 14:34])
    assert reconstruction(entry, "sr").shape == (20, 20)
    assert not entry["whole"]


def reconstruction(entry, kind):
    return np.asarray(Image.open(paths.RECONSTRUCTIONS / f"{entry['file']}-{kind}.png"))


def test_what_is_missing_is_named(workspace):
    run()
    paths.PER_IMAGE.unlink()

    with pytest.raises(StageError, match=r"per_image\.csv"):
        plot.main(load_params())


def test_the_page_of_dvc_plots_is_up_to_date_and_needs_no_network():
    page = (PROJECT / plots_page.PAGE).read_text(encoding="utf-8")

    assert page == plots_page.page()
    # What DVC replaces stands there once; {scripts} would bring its links to a server.
    assert page.count("{plot_divs}") == 1
    assert "{scripts}" not in page
    assert "<script src" not in page


def test_every_figure_says_what_the_network_was_trained_with(workspace, monkeypatch):
    params = load_params()
    loss = params.loss.model_copy(update={"perceptual_weight": 0.01, "vgg19_weights": "random"})
    params = params.model_copy(update={"loss": loss})
    write_experiment(params=params)
    evaluate.main(params)
    drawn = []
    png = plot.figures.png
    monkeypatch.setattr(plot.figures, "png", lambda figure: drawn.append(figure) or png(figure))
    plot.main(params)

    assert len(drawn) == len(FIGURES)
    for figure in drawn:
        written = " ".join(text.get_text() for text in figure.findobj(Text))
        assert "Loss: mse + 0.01 random (untrained) VGG19" in written
