import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from srcnn import figures
from srcnn.figures.sheets import enlarged
from srcnn.figures.style import BLUE, VERMILION
from srcnn.scoring.measures import SSIM, VGG19
from srcnn.scoring.scores import Score
from tests.support.pictures import noise


def example(height=96, width=128, scale=4):
    lr = noise(1, (height // scale, width // scale))
    baseline, sr, hr = (noise(seed, (height, width)) for seed in (2, 3, 0))
    of_sr, of_bicubic = {"psnr": 29.876, "ssim": 0.81234}, {"psnr": 28.123, "ssim": 0.79999}
    score = Score("a", "a", "full", "digest", of_sr, of_bicubic)
    return figures.Example("best", lr, baseline, sr, hr, score)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def cells(figure, side):
    """The pixels of a sheet's cells, (rows, columns, side, side, 3)."""
    sheet = np.asarray(Image.open(io.BytesIO(figures.encoded(figure))))[40:, 12:]
    windows = sliding_window_view(sheet, (side, side), axis=(0, 1))
    return np.moveaxis(windows[:: side + 44, :: side + 12], 2, -1)


def test_a_figure_for_print_shows_each_picture_and_its_window_by_each_method():
    shown = example()
    pictures = {"LR": shown.lr, "bicubic": shown.baseline, "mine": shown.sr, "HR": shown.hr}
    row = {name: figures.Reconstructed(p, (name, f"of {name}")) for name, p in pictures.items()}
    figure = figures.side_by_side([row, row], 4)
    window = figures.hardest_window(shown.baseline, shown.hr, 24, 4)
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    for column, picture in enumerate([enlarged(shown.lr, 4), *list(pictures.values())[1:]]):
        np.testing.assert_array_equal(drawn[column], picture)
        np.testing.assert_array_equal(drawn[4 + column], picture[window])
    assert {*pictures, "of LR", "of mine"} < set(texts(figure))


def curve():
    step = np.arange(41) * 10.0
    loss = 0.001 + 0.002 * np.exp(-step / 100)
    terms = "loss", "pixel", "perceptual", "perceptual_weighted"
    trained = {f"train_{term}": loss for term in terms}
    validated = {
        "val_loss": loss,
        "train_psnr": 30 + step / 400,
        "train_psnr_bicubic": np.full(41, 29.0),
        "val_psnr": 28 + np.minimum(step, 300) / 200,
        "val_psnr_bicubic": np.full(41, 28.5),
    }
    rows = {name: np.where(step > 0, values, np.nan) for name, values in trained.items()}
    rows |= {name: np.where(step % 100 == 0, values, np.nan) for name, values in validated.items()}
    return rows | {"step": step}


@pytest.mark.parametrize("scale", [1, 3, 4])
def test_the_hardest_window_is_the_one_with_the_greatest_squared_error(scale):
    baseline, hr = noise(0, (60, 72)), noise(1, (60, 72))
    side = 24 // scale * scale
    squared = (baseline.astype(float) - hr) ** 2
    sums = sliding_window_view(squared, (side, side))[::scale, ::scale].sum(axis=(2, 3))
    top, left = (scale * place for place in np.unravel_index(sums.argmax(), sums.shape))

    window = figures.hardest_window(baseline, hr, 24, scale)
    assert window == np.s_[top : top + side, left : left + side]


def test_the_sheet_shows_every_pixel_as_a_square_the_errors_in_colours_and_how_good_each_is():
    shown = example()
    shown.sr[:, :64] = shown.hr[:, :64]
    shown.sr[:, 64:] = shown.hr[:, 64:] ^ 128
    figure = figures.reconstructions([shown], 4, "studio")
    window = figures.hardest_window(shown.baseline, shown.hr, 64, 4)
    pictures = enlarged(shown.lr, 4), shown.baseline, shown.sr, shown.hr
    errors = cells(figure, 256)[0, 4, 32:-32]
    assert errors[5, 5].max() < 8
    assert errors[5, -5].min() > 150  # magma ends in a pale yellow
    wholes, windows = cells(figure, 256)[..., 0]
    for got, crop in zip(windows, (picture[window] for picture in pictures), strict=False):
        expected = enlarged(crop, 256 // len(crop))
        np.testing.assert_array_equal(got[2:-2, 2:-2], expected[2:-2, 2:-2])  # within the frame
    # 128 pixels in a cell of 256: twice; the frame around the window hides some.
    whole = wholes[2, 32:-32]
    assert (whole == enlarged(shown.sr, 2)).mean() > 0.95
    written = texts(figure)
    assert {"best", "mean 64.0", "28.12 dB / 0.8000", "29.88 dB / 0.8123"} < set(written)
    assert any("studio" in text and "×4" in text for text in written)


def test_the_sheet_takes_pictures_of_any_size():
    mixed = [example(*size, scale=3) for size in ((15, 24), (600, 903), (33, 300), (96, 96))]
    assert figures.reconstructions(mixed, 3, "full").bbox.width == 5 * 268 + 12


def test_snapshots_run_from_bicubic_over_all_steps_to_hr():
    sr, baseline, hr = noise(0, (3, 2, 96, 96)), noise(1, (2, 96, 96)), noise(2, (2, 96, 96))
    sr[2, 0] = hr[0]

    learned = np.array([True, False])
    figure = figures.snapshots(np.array([0, 50, 1500]), sr, baseline, hr, learned, 4, "full")

    window = figures.hardest_window(baseline[0], hr[0], 64, 1)
    for got, picture in zip(cells(figure, 192)[0], [baseline[0], *sr[:, 0], hr[0]], strict=True):
        np.testing.assert_array_equal(got[..., 0], enlarged(picture[window], 3))
    written = texts(figure)
    steps = [text for text in written if text.startswith("step")]
    assert steps == ["step 0", "step 50", "step 1,500"]
    assert sum(text.endswith(" dB") for text in written) == 2 * 4
    assert {"training picture", "validation picture"} < set(written)
    assert "84.25 dB" in written  # the perfect picture, 64x64: finite, see finite_psnr


def test_all_words_are_inside_their_figure():
    loss = "charbonnier + 0.01 random (untrained) VGG19 mse " * 4
    picture = noise(0, (1, 96, 96))
    snapshots = [0], picture[None], picture, picture, [True]
    for figure in (
        figures.snapshots(*map(np.array, snapshots), 4, "studio", loss),
        figures.reconstructions([example()], 4, "studio", loss),
        figures.curves(curve(), 300, "studio", loss),
        figures.gain_histogram(np.array([0.1, 0.2]), 0.15, None, "studio", 4, loss),
    ):
        figures.encoded(figure)
        assert loss.strip() in " ".join(" ".join(texts(figure)).split())
        legends = [legend for axes in figure.axes if (legend := axes.get_legend())]
        shown = [*figure.texts, *(text for legend in legends for text in legend.get_texts())]
        boxes = [text.get_window_extent() for text in shown]
        assert min(min(box.x0, box.y0) for box in boxes) >= 0
        assert max(box.x1 for box in boxes) <= figure.bbox.x1
        assert max(box.y1 for box in boxes) <= figure.bbox.y1


@pytest.mark.parametrize("measure", [VGG19, SSIM])
def test_better_is_to_the_right_of_the_tradeoff(measure):
    points = [figures.Point("0", 30, 0.4), figures.Point("1", 29, 0.3)]
    figure = figures.tradeoff({"a": points}, figures.Point("bicubic", 28, 0.5), measure, "of")
    (axes,) = figure.axes
    assert axes.xaxis_inverted() != measure.higher_is_better
    assert measure.direction in axes.get_xlabel()


def test_labels_of_the_tradeoff_are_on_no_line_and_on_no_other_label():
    def line(*places):
        return [figures.Point(str(label), psnr, x) for label, psnr, x in places]

    falls = line((0, 30.12, 0.40), (0.001, 30.11, 0.26), (0.01, 29.7, 0.1), (0.03, 29.2, 0.09))
    rises = line((0, 30.12, 0.40), (0.002, 30.3, 0.35), (0.004, 30.29, 0.345))
    series = {"falls": falls, "rises": rises}
    figure = figures.tradeoff(series, figures.Point("bicubic", 28.6, 0.57), VGG19, "of")
    figures.encoded(figure)

    (axes,) = figure.axes
    shown = sorted(label.get_text() for label in axes.texts)
    assert shown == sorted({point.label for point in falls + rises})
    boxes = [label.get_window_extent() for label in axes.texts]
    for k, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:k])
        for drawn in axes.lines:
            path = axes.transData.transform_path(drawn.get_path())
            assert not path.intersects_bbox(box, filled=False)
            assert not box.count_contains(path.vertices)


def test_curves_show_train_validation_both_bicubic_lines_and_each_term():
    figure = figures.curves(curve(), 300, "full")

    loss, psnr = figure.axes
    labels = {line.get_label() for line in psnr.lines}
    assert labels >= {"train", "train, bicubic", "validation", "validation, bicubic"}
    terms = [line.get_label() for line in loss.lines if "train, " in line.get_label()]
    assert terms == ["train, pixel", "train, perceptual, weighted"]
    for line in (*loss.lines, *psnr.lines):
        assert np.isfinite(line.get_ydata()).all()
    assert "best: 29.50 dB (+1.00)" in texts(figure)
    assert not psnr.texts  # it stands in the legend, so on no line
    assert "full" in psnr.get_title(loc="left")


def test_the_histogram_counts_every_picture_and_parts_gains_from_losses():
    gains = np.array([-0.31, -0.02, 0.01, 0.4, 0.5, 0.55, 1.3])
    figure = figures.gain_histogram(gains, 0.42, [0.1, 0.7], "full", 4)

    assert not figure.axes[0].texts  # so nothing stands on a bar or a line
    counted = dict.fromkeys((VERMILION, BLUE), 0)
    for bar in figure.axes[0].patches[:-1]:  # the last is the interval
        counted[to_hex(bar.get_facecolor()).upper()] += bar.get_height()
    assert counted == {VERMILION: 2, BLUE: 5}
    assert "better on 5 of 7 pictures" in figure.axes[0].get_xlabel()
    assert any("+0.10 to +0.70" in text for text in texts(figure))
    assert any("mean over sources +0.42 dB" in text for text in texts(figure))


@pytest.mark.parametrize("gains", [[0.7], [0.7, 0.7], [0.0], [-0.2, -0.2]])
def test_the_histogram_of_few_or_equal_gains(gains):
    figure = figures.gain_histogram(np.array(gains), 0.0, None, "full", 2)

    assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(gains)
    assert not any("interval" in text for text in texts(figure))


def test_the_same_figure_gives_the_same_bytes_whatever_the_user_has_set():
    before = figures.encoded(figures.curves(curve(), 300, "full"))

    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 300}):
        after = figures.encoded(figures.curves(curve(), 300, "full"))

    assert after == before
    image = Image.open(io.BytesIO(before))
    assert image.mode == "RGB"
    assert set(image.info) == {"dpi"}  # no time and no version
