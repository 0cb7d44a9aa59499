import numpy as np
import pytest
import torch

from srcnn.command import onnx_export
from srcnn.command.cli import main
from srcnn.inference.model_files import TrainedModel
from srcnn.library import load_model
from srcnn.networks import NETWORKS
from tests.support import optional
from tests.support.models import resolver


@pytest.fixture
def onnxruntime():
    """ONNX Runtime; both packages that an export needs are there."""
    optional.package("onnx", "requirements-onnx.txt")
    return optional.package("onnxruntime", "requirements-onnx.txt")


@pytest.fixture
def load(onnxruntime):
    """An ONNX file as a session that runs it."""
    return lambda path: onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def check_same(session, network):
    """The graph gives what PyTorch gives, on batches of several sizes."""
    for shape in ((1, 1, 1, 3), (3, 1, 20, 11), (1, 1, 65, 130)):
        lr = np.random.default_rng(1).random(shape).astype(np.float32)
        (got,) = session.run(None, {"lr": lr})
        with torch.inference_mode():
            expected = network.model(torch.from_numpy(lr)).numpy()
        np.testing.assert_allclose(got, expected, atol=1e-5)


# The first of them, SRCNN, is below.
@pytest.mark.parametrize(("name", "scale"), [*zip([*NETWORKS][1:], (4, 8, 3), strict=True)])
def test_onnx_runtime_gives_what_pytorch_gives(load, tmp_path, name, scale):
    network = resolver(scale, "studio", residual=name != "espcn", name=name)
    onnx_export.export(TrainedModel(network, "a model", "run 7"), tmp_path / "a.onnx")
    session = load(tmp_path / "a.onnx")
    check_same(session, network)
    about = session.get_modelmeta().custom_metadata_map
    named = {"luma": "studio", "model": "a model", "training_run": "run 7"}
    assert about == named | {"scale": str(scale)}


def test_the_package_s_srcnn_is_exported_into_a_new_folder_and_not_over_a_file(
    load, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = ["export", "--onnx", "new/a.onnx", "--scale", "3"]
    assert main(command) == 0
    assert "new/a.onnx: packaged:x3" in capsys.readouterr().out
    session = load("new/a.onnx")
    check_same(session, load_model("packaged:x3"))
    about = session.get_modelmeta().custom_metadata_map
    assert (about["scale"], about["model"]) == ("3", "packaged:x3")
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_a_graph_that_differs_is_not_written(onnxruntime, tmp_path, monkeypatch):
    other = onnx_export.build(TrainedModel(resolver(residual=False), "another"))
    monkeypatch.setattr(onnx_export, "build", lambda model: other)
    with pytest.raises(ValueError, match="differs from PyTorch"):
        onnx_export.export(TrainedModel(resolver(), "a model"), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
