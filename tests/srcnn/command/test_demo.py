"""The demo: what its page shows, computed without the page."""

import gc
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from srcnn.command.demo import work
from srcnn.command.demo.models import Models
from srcnn.data.color import luma
from srcnn.data.imresize import downscale
from srcnn.inference import mlflow_models, packaged
from srcnn.inference.upscaler import Upscaler
from srcnn.scoring import classical
from srcnn.scoring.measures import MEASURES, Function, Measure
from tests.support import optional
from tests.support.models import model_file, resolver
from tests.support.pictures import encoded

PORTRAIT = data.astronaut()[:120, 150:250]


@pytest.fixture(autouse=True)
def learned_measures(monkeypatch):
    """None, whatever this machine's cache holds."""
    original = work._function
    original.cache_clear()
    monkeypatch.setattr(work, "_function", lambda m: None if m.learned else original(m))
    return original


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(PORTRAIT).save(tmp_path / "portrait.png")
    return str(tmp_path / "portrait.png")


@pytest.fixture
def model(tmp_path):
    return str(model_file(tmp_path))


def test_a_picture_taken_as_hr_is_shrunk_enlarged_and_scored(picture, model):
    results = work.enlarge(picture, True, {"A": model})
    assert list(results.pictures) == ["original", "bicubic", "A"]
    expected = Upscaler(resolver())(downscale(PORTRAIT, 2))
    np.testing.assert_array_equal(results.pictures["A"], expected)
    np.testing.assert_array_equal(np.asarray(Image.open(results.files["A"])), expected)
    assert list(results.scores) == ["bicubic", "A"]
    assert list(results.scores["A"]) == ["psnr", "ssim", "gmsd"]
    pair = (classical.shave(luma(each, "full"), 2) for each in (expected, PORTRAIT))
    assert results.scores["A"]["psnr"] == pytest.approx(classical.psnr(*pair))
    results.blend(0.5)
    assert "blend" not in results.pictures  # of one model
    folder = Path(results.files["A"]).parent
    del results
    gc.collect()
    assert not folder.exists()  # what is to be downloaded goes with its result


def test_the_vgg19_distance_is_always_there_and_lpips_where_its_network_is(
    picture, model, monkeypatch, learned_measures, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(work, "_function", learned_measures)
    results = work.enlarge(picture, True, {"A": model})
    assert list(results.scores["A"]) == ["psnr", "ssim", "gmsd", "vgg19", "sifid"]
    assert results.scores["A"]["vgg19"] > 0


def test_a_picture_to_enlarge_is_measured_by_what_needs_no_original(picture, model, monkeypatch):
    results = work.enlarge(picture, False, {"A": model, "B": model})
    assert list(results.pictures) == ["bicubic", "A", "B"]
    assert results.pictures["B"].shape == (240, 200, 3)
    assert not any(results.scores.values())
    mean = Measure("mean", "Mean", lambda _: Function(lambda a, _: a.mean()), needs_original=False)
    monkeypatch.setitem(MEASURES, "mean", mean)
    assert list(work.enlarge(picture, False, {"A": model}).scores["A"]) == ["mean"]
    assert list(work.enlarge(picture, True, {"A": model}).scores["A"])[-1] == "mean"


def test_two_models_are_blended(picture, model, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(resolver(residual=False).to_bytes())
    results = work.enlarge(picture, True, {"A": model, "B": str(other)})
    results.blend(0.75)
    mean = 0.25 * results.pictures["A"] + 0.75 * results.pictures["B"]
    np.testing.assert_allclose(results.pictures["blend"], mean, atol=0.5)
    results.blend(0)
    assert results.scores["blend"] == results.scores["A"]


def test_what_cannot_be_compared_or_takes_too_long_is_refused(
    picture, model, tmp_path, monkeypatch
):
    (tmp_path / "other").mkdir()
    other = str(model_file(tmp_path / "other", 3))
    with pytest.raises(ValueError, match="A is x2 and B is x3"):
        work.enlarge(picture, False, {"A": model, "B": other})
    monkeypatch.setattr(work, "TIME_LIMIT", 0.0)
    with pytest.raises(ValueError, match="longer than 0 seconds"):
        work.enlarge(picture, False, {"A": model})


@pytest.mark.parametrize(
    ("size", "reason"), [((6, 90), "too small"), ((9000, 9000), "16 megapixels")]
)
def test_sizes_nobody_waits_for_are_refused_before_they_are_decoded(model, tmp_path, size, reason):
    (tmp_path / "a.png").write_bytes(encoded(Image.new("1", size))[:60])
    with pytest.raises(ValueError, match=reason):
        work.enlarge(str(tmp_path / "a.png"), True, {"A": model})


def version(number, weight="0", scale="4", **tags):
    noon = int(datetime(2026, 11, 26, 12).timestamp() * 1000)
    tags |= {"scale": scale, "loss.perceptual_weight": weight}
    return SimpleNamespace(version=number, tags=tags, creation_timestamp=noon)


@pytest.fixture
def register(monkeypatch):
    """Gives a registry these versions, of which one is the champion."""
    optional.package("mlflow", "requirements.txt")

    def put(versions, champion):
        client = SimpleNamespace(
            search_model_versions=lambda wanted: versions,
            get_registered_model=lambda name: SimpleNamespace(aliases={"champion": champion}),
        )
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        monkeypatch.setattr(mlflow_models, "reading", lambda what: nullcontext(client))
        return Models.known()

    return put


def test_champion_stands_beside_the_newest_perceptual_version_of_its_scale(register):
    untrained = version(5, "0.01", untrained_features="true")  # a VGG19, which is not taken
    versions = [version(1), version(2, "0.01"), version(3), version(4, "1", scale="2"), untrained]
    models = register(versions, "1")
    assert models.a == "version 1, x4, pixel loss only, 2026-11-26, champion"
    assert models.b == "version 2, x4, perceptual 0.01, 2026-11-26"
    assert list(models.references.values()) == [
        *(f"models:/srcnn/{n}" for n in (5, 4, 3, 2, 1)),
        *packaged.references(),
    ]
    assert register([*versions[1:3], untrained], "5").a.startswith("version 3")
    alone = register(versions[:1], "1")  # beside the package's network of its scale
    assert alone.references[alone.b] == "packaged:x4"


def test_a_model_is_offered_with_all_that_tells_it_from_others(register):
    models = register([version(1, "0.01", experiment="vgg", loss="mse + 0.01 VGG19 mse")], "1")
    assert models.a == "vgg, version 1, x4, mse + 0.01 VGG19 mse, 2026-11-26, champion"


def test_where_nothing_was_trained_the_package_s_networks_are_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = Models.known()
    assert models.references[models.a] == "packaged:x4"
    assert models.references[models.b] == "packaged:x4-vgg19"
    assert list(models.references.values()) == packaged.references()
