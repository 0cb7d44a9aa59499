"""Which model is taken: of the package, of a file, of the registry."""

import sys

import pytest
from skimage import data

import srcnn
from srcnn.data import imresize
from srcnn.inference import mlflow_models, model_files, packaged
from srcnn.inference import resolver as inference
from srcnn.inference.mlflow_models import NoModel, RegisteredModel
from tests.support import optional
from tests.support.models import model_file


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A current folder without a model or store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def champion(monkeypatch, nowhere):
    """Makes a network x2 the champion, so many dB better than the package's."""
    fetched = []

    def fetch(uri, device, title=""):
        fetched.append(uri)
        return model_files._find(str(model_file(nowhere)), device)

    def choose(over_packaged=0.25):
        best = RegisteredModel(
            *(7, 2, 0.0, True, "main", "mse", "2026-11-26"),
            learned_from_untrained=False,
            over_packaged=over_packaged,
        )
        monkeypatch.setattr(mlflow_models, "registered_models", lambda: [best])
        monkeypatch.setattr(model_files, "_fetch", fetch)
        return fetched

    return choose


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_package_has_a_network_for_each_scale_that_is_better_than_bicubic(scale):
    by_name = model_files.load(f"packaged:x{scale}")
    by_scale = model_files.load(scale=scale)
    assert by_name.name == by_scale.name == f"packaged:x{scale}"
    assert by_name.resolver.to_bytes() == by_scale.resolver.to_bytes()

    hr = imresize.crop_to_multiple(data.camera(), scale)
    lr = srcnn.degrade(hr, scale)
    sr, bicubic = srcnn.upscale(lr, by_name.resolver), inference.bicubic(lr, scale)
    assert srcnn.psnr(hr, sr) > srcnn.psnr(hr, bicubic) + 0.3


def test_without_a_registry_the_default_is_of_the_package(nowhere):
    assert model_files.load().title == "packaged:x4 (no model is registered here)"
    assert srcnn.load_model().scale == 4
    assert srcnn.load_model(scale=2).scale == 2
    assert not list(nowhere.iterdir())


@pytest.mark.parametrize(
    ("over_packaged", "scale", "name", "why"),
    [
        (0.25, 2, "model.safetensors", "the champion, 0.25 dB above packaged:x2 on its val"),
        (0.25, 3, "packaged:x3", "the champion, version 7, enlarges x2"),
        (-0.5, 2, "packaged:x2", "the champion, version 7, is 0.50 dB below it on its val"),
        (0.0, None, "packaged:x2", "the champion, version 7, is 0.00 dB below it on its val"),
        (None, None, "model.safetensors", "the champion, not compared with the package's"),
    ],
)
def test_a_champion_is_taken_where_it_beats_the_package_and_the_reason_is_said(
    champion, over_packaged, scale, name, why
):
    fetched = champion(over_packaged)
    model = model_files.load(scale=scale)
    assert model.name == name
    assert model.title.startswith(f"{name} ({why}")
    assert fetched == (["models:/srcnn/7"] if name == "model.safetensors" else [])
    assert model_files.load("packaged:x4").name == "packaged:x4"


@pytest.mark.parametrize("scale", inference.SCALES)
def test_every_scale_that_is_trained_can_be_asked_for(nowhere, scale):
    assert srcnn.load_model(model_file(nowhere, scale), scale=scale).scale == scale


def test_a_scale_of_which_there_is_no_network_is_told(champion):
    champion()
    with pytest.raises(NoModel, match=r"scale is 8, but no champion.*degrade\.scale=8"):
        model_files.load(scale=8)


@pytest.mark.parametrize("scale", [0, 1, 5, "4", 2.5])
def test_other_scales_are_refused_first(champion, scale):
    fetched = champion()
    with pytest.raises(ValueError, match=r"scale is .*; it must be one of 2, 3, 4, 8"):
        model_files.load(scale=scale)
    assert not fetched


@pytest.mark.parametrize("reference", ["packaged:", "packaged:x5", "packaged:4", "packaged:../x4"])
def test_what_the_package_does_not_have_is_named(reference):
    with pytest.raises(NoModel, match=f"{reference}: no such model.*packaged:x2, packaged:x3"):
        model_files.load(reference)


def test_a_database_that_nothing_here_can_read_is_no_registry(nowhere, monkeypatch):
    (nowhere / "mlflow.db").touch()
    monkeypatch.setattr(mlflow_models, "find_spec", lambda name: None)
    assert model_files.load().name == "packaged:x4"


def test_a_store_that_is_named_is_not_passed_over_for_want_of_mlflow(nowhere, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(NoModel, match=r"MLflow, which is not installed.*packaged:x4"):
        model_files.load(scale=packaged.DEFAULT_SCALE)
    assert model_files.load(model_file(nowhere)).name == "model.safetensors"


@pytest.mark.parametrize("where", ["named", "found"])
def test_a_store_that_cannot_be_read_is_an_error_that_names_it(nowhere, monkeypatch, where):
    optional.package("mlflow", "requirements.txt")
    (nowhere / "mlflow.db").write_text("no database")
    if where == "named":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{nowhere}/mlflow.db")
    with pytest.raises(NoModel, match=r"mlflow\.db.*cannot be read.*packaged:x4"):
        model_files.load()
    assert model_files.load("packaged:x4").resolver.scale == 4


def test_a_database_that_is_named_and_not_there_is_not_made(nowhere, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///none.db")
    with pytest.raises(
        NoModel, match=r"sqlite:///none\.db, but there is no such file.*packaged:x4"
    ):
        model_files.load()
    assert not list(nowhere.iterdir())
