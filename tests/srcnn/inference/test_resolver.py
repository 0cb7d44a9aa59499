import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from srcnn.data.imresize import bicubic_upscale
from srcnn.inference import resolver as inference
from srcnn.inference.resolver import SuperResolver, UnusableModel, bicubic, to_uint8
from tests.support.models import resolver
from tests.support.pictures import noise

LR = noise(0, (20, 13))


@pytest.mark.parametrize("residual", [True, False])
def test_it_is_the_network_on_gray_levels_in_0_to_1(residual):
    res = resolver(3, residual=residual)
    x = torch.from_numpy(LR / 255).float()[None, None]
    with torch.no_grad():
        expected = res.model(x)[0, 0].numpy() * 255
    sr = res(LR)
    assert sr.dtype == np.uint8
    np.testing.assert_allclose(sr, np.clip(expected, 0, 255), atol=0.501)


def test_lr_may_be_unrounded():
    res, lr = resolver(), LR.astype(np.float64)
    np.testing.assert_array_equal(res(lr), res(lr.astype(np.uint8)))
    assert np.any(res(lr + 0.4) != res(lr))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_the_same_model_gives_the_same_bytes(path):
    path.write_bytes(resolver().to_bytes())
    assert resolver().to_bytes() == path.read_bytes() == SuperResolver.load(path).to_bytes()
    assert resolver(residual=False).to_bytes() != path.read_bytes()


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],  # one bit of one weight
        lambda whole: whole.replace(b"studio", b"full  ").replace(b'full  \\"', b'full\\"  '),
    ],
)
def test_a_damaged_file_is_named(path, damaged):
    whole = resolver(luma="studio").to_bytes()
    path.write_bytes(damaged(whole))
    assert path.read_bytes() != whole
    with pytest.raises(UnusableModel, match=r"model\.safetensors .*checksum"):
        SuperResolver.load(path)


def test_gray_levels_are_clamped_and_rounded():
    levels = np.array([[-3.0, -0.4, 0.49, 0.51], [99.6, 254.49, 255.4, np.inf]])
    np.testing.assert_array_equal(to_uint8(levels), [[0, 0, 0, 1], [100, 254, 255, 255]])
    assert to_uint8(np.array([np.nan])) == 0


def test_bicubic_rounds_once_at_the_end():
    expected = np.clip(np.rint(bicubic_upscale(LR.astype(np.float64), 3)), 0, 255)
    np.testing.assert_array_equal(bicubic(LR, 3), expected)
    assert bicubic(LR, 3).dtype == np.uint8


def test_files_of_version_0_2_are_srcnns(path):
    res = resolver()
    about = {"kernels": [5, 3, 3], "channels": [6, 4], "residual": True, "scale": 2}
    about |= {"luma": "full", "precision": "float32"}
    about["sha256"] = inference._checksum(about, res.model.state_dict())
    tensors = {name: tensor.contiguous() for name, tensor in res.model.state_dict().items()}
    save_file(tensors, path, metadata={"srcnn": json.dumps(about)})
    np.testing.assert_array_equal(SuperResolver.load(path)(LR), res(LR))
