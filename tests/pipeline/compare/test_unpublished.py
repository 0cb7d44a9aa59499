"""Contestants without a run: blends and other upscalers' pictures beside published experiments."""

import numpy as np
import pytest
from PIL import Image

from pipeline.compare import __main__ as compare
from pipeline.compare import runs, tradeoff, unpublished
from pipeline.stage import StageError, paths
from srcnn.data.pairs import Pairs
from srcnn.inference.resolver import bicubic
from srcnn.scoring.measures import MEASURES
from tests.pipeline.experiment import load_params
from tests.pipeline.published import publish

PARAMS = load_params({"evaluate.lpips": False})


@pytest.fixture
def published(project, classical_measures):
    """Two experiments with other networks, the newest first."""
    publish(0.0, seed=0)
    publish(0.01, seed=1)
    return runs.published("portrait-srcnn")


@pytest.fixture
def enlarged(tmp_path):
    """The bicubic test pictures as files of another upscaler."""
    folder = tmp_path / "enlarged"
    folder.mkdir()
    test = Pairs.open(paths.PAIRS).split("test")
    for i, id_ in enumerate(test.ids):
        Image.fromarray(bicubic(test.lr(i), test.scale)).save(folder / f"{id_}.png")
    return folder


def test_pictures_of_another_upscaler_are_scored_as_experiments_are(published, enlarged):
    theirs = unpublished.from_folder("cubic", enlarged, published[0], PARAMS)
    for score in theirs.results.of_set("test").values():
        assert score.sr == score.bicubic
    assert theirs.metrics["test/psnr"] == pytest.approx(
        published[0].metrics["test/psnr_bicubic"], abs=1e-5
    )
    assert not theirs.is_perceptual

    Image.new("L", (9, 9)).save(enlarged / "p4.png")
    with pytest.raises(StageError, match=r"p4\.png is 9x9; the test picture is 48x40"):
        unpublished.from_folder("cubic", enlarged, published[0], PARAMS)
    (enlarged / "p4.png").write_bytes(b"no picture")
    with pytest.raises(StageError, match=r"p4\.png cannot be read"):
        unpublished.from_folder("cubic", enlarged, published[0], PARAMS)
    (enlarged / "p4.png").unlink()
    with pytest.raises(StageError, match=r"lacks 1 of 12 test pictures: p4; a file's name"):
        unpublished.from_folder("cubic", enlarged, published[0], PARAMS)
    published[0].tags["data.pairs"] = "other"
    with pytest.raises(StageError, match="data/pairs are not the pictures that"):
        unpublished.from_folder("cubic", enlarged, published[0], PARAMS)


def test_a_blend_lies_between_its_networks(published):
    a, b = published
    ids = list(a.results.of_set("test"))

    def psnr(run):
        return run.results.values("test", MEASURES["psnr"], ids)

    for share, end in ((0.0, a), (1.0, b)):
        blend = unpublished.blend(a, b, share, PARAMS)
        np.testing.assert_allclose(psnr(blend), psnr(end), atol=1e-5)
    # But for rounding to gray levels, the error of a mean is no more than that of the worse.
    blend = unpublished.blend(a, b, 0.5, PARAMS)
    assert (psnr(blend) > np.minimum(psnr(a), psnr(b)) - 0.01).all()


def test_they_stand_in_comparison_page_figure_and_trade_off(
    published, enlarged, tmp_path, capsys, monkeypatch
):
    page, figure = tmp_path / "page.html", tmp_path / "figure.pdf"
    names = [run.run_id for run in published]
    folders = {"cubic": enlarged}
    compare.main(PARAMS, names, page, [0.5], folders, figure, ["p3", "p5"])
    said = capsys.readouterr().out
    assert "C  0.5 no-commit + 0.5 no-commit: blend" in said
    assert f"D  cubic: pictures in {enlarged}" in said
    assert "D beside A" in page.read_text(encoding="utf-8")
    assert figure.read_bytes().startswith(b"%PDF")
    with pytest.raises(StageError, match=r"--pictures: p99 is not among .* they keep p"):
        compare.main(PARAMS, names, page, figure_file=figure, pictures=["p99"])

    a, b = published
    b.metrics["test/psnr"] = a.metrics["test/psnr"] + 1
    b.metrics["test/gmsd"] = a.metrics["test/gmsd"] + 1
    monkeypatch.setattr(runs, "published", lambda _: published)
    tradeoff.main(PARAMS, names, None, tmp_path / "tradeoff.png", blend=True)
    said = capsys.readouterr().out
    assert "blend: 0.75 no-commit + 0.25 no-commit" in said
    assert (tmp_path / "tradeoff.png").is_file()
