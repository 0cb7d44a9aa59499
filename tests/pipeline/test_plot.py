import io
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image

from pipeline import evaluate, plot
from pipeline.stage import paths
from srcnn.data.pairs import Pairs
from srcnn.inference.resolver import SuperResolver, bicubic
from tests.pipeline.experiment import load_params, write_experiment
from tests.support.paths import ROOT
from tools import plots_page

FIGURES = ["curves.png", "gain_histogram.png", "reconstructions.png", "snapshots.png"]


@pytest.fixture
def run(tmp_path, monkeypatch, classical_measures):
    """Make an experiment with so many test pictures, evaluate and plot it."""
    monkeypatch.chdir(tmp_path)

    def run(test_pictures=5, params=None):
        params = params or load_params()
        write_experiment(test_pictures, params)
        evaluate.main(params)
        plot.main(params)

    return run


@pytest.fixture
def drawn(monkeypatch):
    """What each figure is drawn of, in place of the figures."""
    drawn = {}
    for name in ("curves", "gain_histogram", "reconstructions", "snapshots"):
        monkeypatch.setattr(
            plot.figures, name, lambda *of, name=name, **_: drawn.update({name: of})
        )
    monkeypatch.setattr(plot.figures, "encoded", lambda _: b"")
    return drawn


def contents():
    return {file.name: file.read_bytes() for file in sorted(paths.FIGURES.iterdir())}


def test_every_figure_says_the_loss_and_is_each_time_the_same(run, monkeypatch):
    params = load_params({"loss.perceptual_weight": 0.01, "loss.vgg19_weights": "random"})
    figures = []
    encoded = plot.figures.encoded
    monkeypatch.setattr(plot.figures, "encoded", lambda each: figures.append(each) or encoded(each))
    run(params=params)
    first = contents()
    (paths.FIGURES / "old.png").touch()
    plot.main(params)
    assert list(first) == FIGURES
    assert contents() == first
    for content in first.values():
        assert min(Image.open(io.BytesIO(content)).size) > 250
        assert len(content) < 1e6
    for figure in figures:
        written = " ".join(text.get_text() for text in figure.findobj(Text))
        assert "Loss: mse + 0.01 random (untrained) VGG19" in written


@pytest.mark.parametrize(
    ("test_pictures", "expected", "kept"),
    [(1, ["best"], 1), (2, ["best", "worst"], 2), (23, ["best", "median", "worst"], 12)],
)
def test_the_best_the_median_and_the_worst_are_drawn_and_some_are_kept_for_comparisons(
    run, drawn, test_pictures, expected, kept
):
    run(test_pictures)
    shown = drawn["reconstructions"][0]
    table = pd.read_csv(paths.PER_IMAGE, index_col="id")
    ranked = (table["psnr"] - table["psnr_bicubic"]).sort_values(ascending=False).index
    assert [example.title.split(":")[0] for example in shown] == expected
    assert shown[0].score.id == ranked[0]
    assert shown[-1].score.id == ranked[-1]
    assert shown[len(shown) // 2].score.id == ranked[len(ranked) // 2]

    index = json.loads((paths.RECONSTRUCTIONS / "index.json").read_text())
    ids = [entry["id"] for entry in index]
    everything = sorted(f"p{i + 2}" for i in range(test_pictures))
    assert ids == [everything[k * test_pictures // kept] for k in range(kept)]
    test, resolver = Pairs.open(paths.PAIRS).split("test"), SuperResolver.load(paths.WEIGHTS)
    for entry in index:
        i = test.ids.index(entry["id"])
        lr = test.lr(i)
        kinds = {"lr": lr, "bicubic": bicubic(lr, test.scale), "sr": resolver(lr), "hr": test.hr(i)}
        for kind, wanted in kinds.items():
            np.testing.assert_array_equal(reconstruction(entry, kind), wanted)
        assert entry["whole"]


def test_of_a_large_picture_the_middle_is_kept(run, drawn, monkeypatch):
    monkeypatch.setattr(plot, "_LARGEST_SIDE", 21)  # ten LR pixels
    run(1)
    (entry,) = json.loads((paths.RECONSTRUCTIONS / "index.json").read_text())
    test = Pairs.open(paths.PAIRS).split("test")
    np.testing.assert_array_equal(reconstruction(entry, "lr"), test.lr(0)[5:15, 7:17])
    np.testing.assert_array_equal(reconstruction(entry, "hr"), test.hr(0)[10:30, 14:34])
    assert reconstruction(entry, "sr").shape == (20, 20)
    assert not entry["whole"]


def reconstruction(entry, kind):
    return np.asarray(Image.open(paths.RECONSTRUCTIONS / f"{entry['file']}-{kind}.png"))


def test_the_page_of_dvc_plots_is_up_to_date_and_needs_no_network():
    page = (ROOT / plots_page.PAGE).read_text(encoding="utf-8")
    assert page == plots_page.page()
    # What DVC replaces stands there once; {scripts} would bring its links to a server.
    assert page.count("{plot_divs}") == 1
    assert "{scripts}" not in page
    assert "<script src" not in page
