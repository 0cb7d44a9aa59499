"""The demo: what its page shows, computed without the page."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from srcnn import registry
from srcnn.command.cli import main
from srcnn.command.demo import scratch, work
from srcnn.command.demo.models import Models
from srcnn.imresize import downscale
from srcnn.scoring.measures import MEASURES, Function, Measure
from srcnn.upscaling import Upscaler
from tests import optional
from tests.models import model_file, resolver

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
    made = work.enlarge(picture, True, model, None)
    assert list(made.pictures) == ["original", "bicubic", "A"]
    expected = Upscaler(resolver())(downscale(PORTRAIT, 2))
    np.testing.assert_array_equal(made.pictures["A"], expected)
    np.testing.assert_array_equal(np.asarray(Image.open(made.files["A"])), expected)
    assert list(made.scores) == ["bicubic", "A"]
    assert list(made.scores["A"]) == ["psnr", "ssim", "gmsd"]
    assert 20 < made.scores["bicubic"]["psnr"] < 40


def test_the_vgg19_distance_is_always_there_and_lpips_where_its_network_is(
    picture, model, monkeypatch, learned_measures, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(work, "_function", learned_measures)
    made = work.enlarge(picture, True, model, None)
    assert list(made.scores["A"]) == ["psnr", "ssim", "gmsd", "vgg19"]
    assert made.scores["A"]["vgg19"] > 0


def test_a_picture_to_enlarge_is_measured_by_what_needs_no_original(picture, model, monkeypatch):
    made = work.enlarge(picture, False, model, model)
    assert list(made.pictures) == ["bicubic", "A", "B"]
    assert made.pictures["B"].shape == (240, 200, 3)
    assert not any(made.scores.values())
    mean = Measure("mean", "Mean", lambda _: Function(lambda a, _: a.mean()), needs_original=False)
    monkeypatch.setitem(MEASURES, "mean", mean)
    assert list(work.enlarge(picture, False, model, None).scores["A"]) == ["mean"]
    assert list(work.enlarge(picture, True, model, None).scores["A"])[-1] == "mean"


def test_models_of_two_scales_are_not_compared(picture, model, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="A is x2 and B is x3"):
        work.enlarge(picture, False, model, str(model_file(tmp_path / "other", 3)))


def test_sizes_nobody_waits_for_are_refused(model, tmp_path):
    for size, reason in (((2100, 2100), "megapixels"), ((6, 90), "too small")):
        Image.new("L", size).save(tmp_path / "a.png")
        with pytest.raises(ValueError, match=reason):
            work.enlarge(str(tmp_path / "a.png"), False, model, None)


def test_a_picture_that_is_too_large_is_not_decoded(model, tmp_path):
    for size, most in ((9000, 9000), "16 megapixels"), ((12000, 12000), "128,000,000 pixels"):
        Image.new("1", size).save(tmp_path / "a.png")
        data = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(data[:100])  # the rest is not looked at
        with pytest.raises(ValueError, match=most):
            work.enlarge(str(tmp_path / "a.png"), True, model, None)


def test_detail_magnifies_a_part():
    ramp = np.arange(100, dtype=np.uint8).reshape(10, 10)
    part = work.detail(ramp, 5, 1.0, 0.0)
    np.testing.assert_array_equal(part[::240, ::240], [[8, 9], [18, 19]])
    np.testing.assert_array_equal(work.detail(ramp, 1, 0.3, 0.3)[::48, ::48], ramp)


def test_champion_stands_beside_the_newest_perceptual_version_of_its_scale(monkeypatch):
    optional.package("mlflow", "requirements.txt")
    versions = [
        SimpleNamespace(
            version=number,
            tags={"scale": scale, "loss.perceptual_weight": weight},
            creation_timestamp=None,
        )
        for number, scale, weight in [(1, "4", "0"), (2, "4", "0.01"), (3, "4", "0"), (4, "2", "1")]
    ]
    client = SimpleNamespace(
        search_model_versions=lambda wanted: versions,
        get_registered_model=lambda name: SimpleNamespace(aliases={"champion": "1"}),
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(registry, "mlflow_client", lambda: client)
    models = Models.known()
    assert models.a == "version 1, x4, pixel loss only, champion"
    assert models.b == "version 2, x4, perceptual 0.01"
    trained, packaged = list(models.references.values())[:4], list(models.references.values())[4:]
    assert trained == [f"models:/srcnn/{n}" for n in (4, 3, 2, 1)]
    assert packaged == ["packaged:x2", "packaged:x3", "packaged:x4"]
    del versions[1:]  # the champion alone stands beside the package's network of its scale
    assert Models.known().references[Models.known().b] == "packaged:x4"


def test_where_nothing_was_trained_the_package_s_networks_are_offered(
    picture, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    models = Models.known()
    assert models.references[models.a] == "packaged:x4"
    assert models.b is None
    assert list(models.references.values()) == ["packaged:x2", "packaged:x3", "packaged:x4"]
    for reference, scale in zip(models.references.values(), (2, 3, 4), strict=True):
        made = work.enlarge(picture, False, reference, None)
        assert made.pictures["A"].shape == (120 * scale, 100 * scale, 3)


def test_a_model_is_offered_with_all_that_tells_it_from_others_but_not_one_of_an_untrained_vgg19(
    monkeypatch,
):
    optional.package("mlflow", "requirements.txt")
    noon = int(datetime(2026, 11, 26, 12).timestamp() * 1000)
    versions = [
        SimpleNamespace(
            version=number,
            creation_timestamp=noon,
            tags={
                "scale": "4",
                "loss.perceptual_weight": weight,
                "experiment": name,
                "loss": loss,
                "untrained_features": str(name == "random").lower(),
            },
        )
        for number, name, weight, loss in [
            (1, "vgg", "0.01", "mse + 0.01 VGG19 mse (conv5_4)"),
            (2, "plain", "0", "mse"),
            (3, "random", "0.1", "mse + 0.1 random (untrained) VGG19 mse (conv5_4)"),
        ]
    ]
    client = SimpleNamespace(
        search_model_versions=lambda wanted: versions,
        get_registered_model=lambda name: SimpleNamespace(aliases={"champion": "3"}),
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(registry, "mlflow_client", lambda: client)
    models = Models.known()
    assert models.a == "plain, version 2, x4, mse, 2026-11-26"
    assert models.b == "vgg, version 1, x4, mse + 0.01 VGG19 mse (conv5_4), 2026-11-26"
    random = "random, version 3, x4, mse + 0.1 random (untrained) VGG19 mse (conv5_4)"
    assert f"{random}, 2026-11-26, champion" in models.references
    del versions[:2]
    assert Models.known().references[Models.known().a] == "packaged:x4"


def test_without_gradio_the_message_names_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo"]) == 1
    assert "srcnn[demo]" in capsys.readouterr().err


def test_files_to_download_go_with_their_result(picture, model):
    made = work.enlarge(picture, False, model, None)
    file = Path(made.files["A"])
    assert file.is_file()
    del made
    gc.collect()
    assert not file.parent.exists()


def test_what_takes_too_long_is_not_computed_to_its_end(picture, model, monkeypatch):
    monkeypatch.setattr(work, "PATIENCE", 0.0)
    begun = []
    monkeypatch.setattr(Upscaler, "_enlarge", lambda *arguments: begun.append(arguments))
    with pytest.raises(ValueError, match="longer than 0 seconds"):
        work.enlarge(picture, False, model, None)
    assert not begun


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files that is empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def test_a_page_that_ends_leaves_no_files(temporary):
    with scratch.folder() as folder:
        assert Path(tempfile.mkdtemp()).parent == folder
    with suppress(KeyboardInterrupt), scratch.folder():
        tempfile.mkdtemp()
        raise KeyboardInterrupt
    assert not list(temporary.iterdir())
    assert tempfile.gettempdir() == str(temporary)


def test_a_killed_page_s_files_go_at_the_next_start_and_a_living_one_s_stay(temporary):
    code = (
        "import tempfile, time\nfrom srcnn.command.demo import scratch\n"
        "with scratch.folder() as folder:\n"
        "    tempfile.mkdtemp()\n    print(folder, flush=True)\n    time.sleep(100)\n"
    )
    there = {"TMPDIR": str(temporary), "PYTHONPATH": str(Path(scratch.__file__).parents[3])}
    pages = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | there,
        )
        for _ in range(2)
    ]
    try:
        killed, living = (Path(page.stdout.readline().strip()) for page in pages)
        pages[0].send_signal(signal.SIGKILL)
        pages[0].wait()
        assert killed.is_dir()
        for folder in (killed, living):
            os.utime(folder, (time.time() - 120,) * 2)
        with scratch.folder():
            assert not killed.exists()
            assert living.is_dir()
    finally:
        for page in pages:
            page.kill()
            page.communicate()


def test_what_only_looks_like_a_page_s_folder_is_not_touched(temporary, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (temporary / "srcnn-demo-link").symlink_to(tmp_path / "mine")
    (temporary / "srcnn-demo-file").touch()
    os.utime(tmp_path / "mine", (0, 0))
    os.utime(temporary / "srcnn-demo-file", (0, 0))
    with scratch.folder():
        pass
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]
