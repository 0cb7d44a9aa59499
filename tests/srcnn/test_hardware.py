"""What is chosen for the machine, and what no machine may break."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch

from srcnn import hardware
from srcnn.hardware import choose_device, choose_precision
from srcnn.inference import model_files
from srcnn.inference.model_files import NoModel


def test_devices_that_are_not_there_are_named():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(ValueError, match=rf"device is '{missing}'.*it has: .*cpu"):
        choose_device(missing)


def test_freed_memory_is_kept_with_glibc(monkeypatch):
    settings = {}
    glibc = SimpleNamespace(mallopt=settings.__setitem__)
    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda _: glibc)
    hardware.keep_freed_memory()
    mmap_threshold, trim_threshold = -3, -1  # of glibc's malloc.h
    assert settings == {mmap_threshold: 32 << 20, trim_threshold: 2**31 - 1}
    monkeypatch.setattr(hardware.ctypes, "CDLL", Mock(side_effect=OSError))
    hardware.keep_freed_memory()  # elsewhere memory is left alone


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"cpu_name": "Intel(R) Xeon(R)", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel(R) Xeon(R)", "avx512_bf16": True, "amx_bf16": False}, "float32"),
        ({"cpu_name": "AMD EPYC 9R14", "avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"cpu_name": "AMD EPYC 7R13", "avx512_bf16": False, "amx_bf16": False}, "float32"),
        ({"architecture": "aarch64"}, "float32"),
    ],
)
def test_precision_follows_the_cpu(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_precision("auto", torch.device("cpu")) == expected


def test_precision_follows_the_gpu_unless_one_is_asked_for(monkeypatch):
    for native, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda native=native, **_: native)
        assert choose_precision("auto", torch.device("cuda")) == expected
        assert choose_precision(expected, torch.device("cpu")) == expected
    assert choose_precision("auto", torch.device("mps")) == "float32"


def load_on_cuda():
    with pytest.raises(NoModel):
        model_files.load("missing.safetensors", "cuda")


@pytest.mark.parametrize("begin", [lambda: hardware.make_deterministic(1), load_on_cuda])
def test_neither_trainings_nor_models_on_cuda_use_tf32(begin, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    switches = (torch.backends.cudnn, torch.backends.cuda.matmul)
    for each in switches:
        each.allow_tf32 = True
    begin()
    assert [each.allow_tf32 for each in switches] == [False, False]
