"""Published experiments: read, compared, and beside contestants that no run holds."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.compare import __main__ as compare
from pipeline.compare import runs, tradeoff, unpublished
from pipeline.stage import StageError, paths
from pipeline.tracking.store import Store
from srcnn.data.pairs import Pairs
from srcnn.inference.resolver import bicubic
from srcnn.scoring.measures import MEASURES, PSNR
from srcnn.scoring.scores import read_scores
from tests.pipeline.experiment import load_params
from tests.pipeline.published import publish
from tests.support import small_project

PARAMS = load_params({"evaluate.lpips": False})


@pytest.fixture(scope="module")
def published(tmp_path_factory, empty_store):
    """Two experiments with other networks, the newest first, of the project in this folder."""
    folder = tmp_path_factory.mktemp("project")
    (folder / ".dvc").mkdir()
    shutil.copy(empty_store, folder)
    with pytest.MonkeyPatch.context() as patch:
        small_project.enter(folder, patch)
        for name in ("niqe", "sifid", "lpips", "vgg19"):  # the last first, to be put back last
            patch.delitem(MEASURES, name)
        publish(0.0, seed=0)
        publish(0.01, seed=1)
        store = Store("portrait-srcnn")
        store.client.create_run(store.experiment_id, run_name="unfinished")
        yield runs.published("portrait-srcnn")


def test_all_that_was_published_is_read_newest_first(published):
    assert [run.is_perceptual for run in published] == [True, False]
    results = published[0].results
    assert results.evaluation == json.loads(paths.EVALUATION.read_text())
    assert list(results.of_set("test").values()) == read_scores(paths.PER_IMAGE)["test"]
    pd.testing.assert_frame_equal(results.curve, pd.read_csv(paths.TRAINING_CURVE))
    index = json.loads((paths.RECONSTRUCTIONS / "index.json").read_text())
    for entry, picture in zip(index, results.pictures, strict=True):
        assert (entry["id"], entry["whole"]) == (picture.id, picture.whole)
        for kind, png in picture.png.items():
            assert png == (paths.RECONSTRUCTIONS / f"{entry['file']}-{kind}.png").read_bytes()


@pytest.fixture
def enlarged(published, tmp_path):
    """The bicubic test pictures as files of another upscaler."""
    test = Pairs.open(paths.PAIRS).split("test")
    for i, id_ in enumerate(test.ids):
        Image.fromarray(bicubic(test.lr(i), test.scale)).save(tmp_path / f"{id_}.png")
    return tmp_path


def test_pictures_of_another_upscaler_are_scored_as_experiments_are(published, enlarged):
    theirs = unpublished.from_folder("cubic", enlarged, published[0], PARAMS)
    for score in theirs.results.of_set("test").values():
        assert score.sr == score.bicubic
    assert theirs.metrics["test/psnr"] == pytest.approx(
        published[0].metrics["test/psnr_bicubic"], abs=1e-5
    )
    assert not theirs.is_perceptual


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda file: Image.new("L", (9, 9)).save(file), r"p4\.png is 9x9; the .* is 48x40"),
        (lambda file: file.write_bytes(b"no picture"), r"p4\.png cannot be read"),
        (lambda file: file.unlink(), "lacks 1 of 12 test pictures: p4; a file's name"),
    ],
)
def test_pictures_that_cannot_be_scored_are_named(published, enlarged, spoil, why):
    spoil(enlarged / "p4.png")
    with pytest.raises(StageError, match=why):
        unpublished.from_folder("cubic", enlarged, published[0], PARAMS)


def test_pairs_of_other_data_are_refused(published, enlarged):
    other = replace(published[0], tags={"data.pairs": "other"})
    with pytest.raises(StageError, match="data/pairs are not the pictures that"):
        unpublished.from_folder("cubic", enlarged, other, PARAMS)
    with pytest.raises(StageError, match="are of different data: they have no blend"):
        unpublished.blend(published[1], other, 0.5, PARAMS)


def test_a_blend_lies_between_its_networks(published):
    a, b = published
    ids = list(a.results.of_set("test"))

    def psnr(run):
        return run.results.values("test", PSNR, ids)

    for share, end in ((0.0, a), (1.0, b)):
        blend = unpublished.blend(a, b, share, PARAMS)
        np.testing.assert_allclose(psnr(blend), psnr(end), atol=1e-5)
    # But for rounding to gray levels, the error of a mean is no more than that of the worse.
    blend = unpublished.blend(a, b, 0.5, PARAMS)
    assert (psnr(blend) > np.minimum(psnr(a), psnr(b)) - 0.01).all()


def test_they_stand_in_comparison_page_and_figure(published, enlarged, tmp_path, capsys):
    page, figure = tmp_path / "page.html", tmp_path / "figure.pdf"
    words = [*(run.run_id for run in published), f"--output={page}", f"--figure={figure}"]
    more = ["--blend=0.5", f"--folder=cubic={enlarged}", "--pictures=p3,p5"]
    compare.main(PARAMS, compare.parse([*words, *more]))
    said = capsys.readouterr().out
    assert "C  0.5 no-commit + 0.5 no-commit: blend" in said
    assert f"D  cubic: pictures in {enlarged}" in said
    assert "D beside A" in page.read_text(encoding="utf-8")
    assert figure.read_bytes().startswith(b"%PDF")
    with pytest.raises(StageError, match=r"--pictures: p99 is not among .* they keep p"):
        compare.main(PARAMS, compare.parse([*words, "--pictures=p99"]))


def test_blends_stand_in_the_trade_off(published, tmp_path, capsys, monkeypatch):
    a, b = published
    better = {name: a.metrics[name] + 1 for name in ("test/psnr", "test/gmsd")}
    both = [a, replace(b, metrics={**b.metrics, **better})]
    monkeypatch.setattr(runs, "published", lambda _: both)
    names = [run.run_id for run in both]
    output = tmp_path / "tradeoff.png"
    tradeoff.main(PARAMS, tradeoff.parse([*names, "--blend", f"--output={output}"]))
    assert "blend: 0.75 no-commit + 0.25 no-commit" in capsys.readouterr().out
    assert output.is_file()
