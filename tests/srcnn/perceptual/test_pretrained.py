"""Weights come, or one clear error does, within seconds; and nothing is ever unpickled."""

import hashlib
import http.server
import pickle
import socket
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models._api import Weights, WeightsEnum

from srcnn.perceptual import pretrained
from srcnn.perceptual.pretrained import (
    UnusableWeights,
    WeightsUnavailable,
    read_state_dict,
    torchvision_state_dict,
)

STATE = {"0.weight": torch.arange(6.0).reshape(2, 3), "0.bias": torch.tensor([1.0, 2.0])}


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, sprung: Path):
        self.sprung = sprung

    def __reduce__(self):
        return Path.touch, (self.sprung,)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def enum_at(url: str) -> WeightsEnum:
    class Stand(WeightsEnum):
        V1 = Weights(url=url, transforms=None, meta={})

    return Stand.V1


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def server():
    """Serves the bytes in `server.content` at any path; with `server.stalls`, only to HEAD."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(httpd.content)))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(httpd.content[:10])
            self.wfile.flush()
            if httpd.stalls:
                released.wait(20)
            self.wfile.write(httpd.content[10:])

        def log_message(self, *_):
            pass

    released = threading.Event()
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.content, httpd.stalls = b"", False
    httpd.url = f"http://127.0.0.1:{httpd.server_port}"
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    released.set()
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def silent_server():
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def torch_bytes(folder: Path) -> bytes:
    torch.save(STATE, folder / "state.pth")
    return (folder / "state.pth").read_bytes()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", "legacy.pth"])
def test_reads_each_kind_of_file(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=suffix != "legacy.pth")
    assert same(read_state_dict(path), STATE)


@pytest.mark.parametrize("new_format", [True, False])
def test_pickled_code_is_refused_and_never_run(tmp_path, new_format):
    path, sprung = tmp_path / "weights.pth", tmp_path / "sprung"
    torch.save({"0.weight": Trap(sprung)}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(UnusableWeights, match=r"weights\.pth.*pickled code is never run"):
        read_state_dict(path)
    assert not sprung.exists()


def test_plain_pickle_is_refused_and_never_run(tmp_path):
    path, sprung = tmp_path / "weights.pth", tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(sprung), protocol=2))
    with pytest.raises(UnusableWeights, match=r"weights\.pth"):
        read_state_dict(path)
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a file of weights", b"PK\x03\x04 no zip"])
def test_damaged_file_is_one_error_that_names_it(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnusableWeights, match=name):
        read_state_dict(tmp_path / name)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file_is_one_error_that_names_it(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_file(STATE, path) if suffix == ".safetensors" else torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UnusableWeights, match="weights"):
        read_state_dict(path)


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(UnusableWeights, match=r"missing\.pth does not exist"):
        read_state_dict(tmp_path / "missing.pth")
    with pytest.raises(UnusableWeights, match=r"weights\.h5 is not a \.safetensors, \.pth or \.pt"):
        read_state_dict(tmp_path / "weights.h5")
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    with pytest.raises(UnusableWeights, match=r"list\.pth is not a state dict"):
        read_state_dict(tmp_path / "list.pth")
    torch.save({"state_dict": STATE, "epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(UnusableWeights, match=r"checkpoint\.pth is not a state dict"):
        read_state_dict(tmp_path / "checkpoint.pth")


def test_download_is_kept_and_then_needs_no_network(server, cache, tmp_path):
    server.content = torch_bytes(tmp_path)
    digest = hashlib.sha256(server.content).hexdigest()[:8]
    weights = enum_at(f"{server.url}/net-{digest}.pth")
    assert same(torchvision_state_dict(weights), STATE)
    server.content = b"gone"
    assert same(torchvision_state_dict(weights, download=False), STATE)
    assert [path.name for path in cache.iterdir()] == [f"net-{digest}.pth"]


def test_wrong_download_is_refused_and_not_kept(server, cache):
    server.content = b"<html>Please log in to this network</html>"
    with pytest.raises(WeightsUnavailable, match="hash"):
        torchvision_state_dict(enum_at(f"{server.url}/net-0123abcd.pth"))
    assert not list(cache.iterdir())


def test_download_that_stalls_is_given_up(server, cache, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "PATIENCE", 0.5)
    server.content, server.stalls = torch_bytes(tmp_path), True
    start = time.monotonic()
    with pytest.raises(WeightsUnavailable, match="timed out"):
        torchvision_state_dict(enum_at(f"{server.url}/net-0123abcd.pth"))
    assert time.monotonic() - start < 5
    assert socket.getdefaulttimeout() is None
    assert not list(cache.iterdir())


def test_silent_server_is_given_up(silent_server, monkeypatch):
    monkeypatch.setattr(pretrained, "PATIENCE", 0.5)
    start = time.monotonic()
    with pytest.raises(WeightsUnavailable, match=r"timed out|no answer within"):
        torchvision_state_dict(enum_at(f"{silent_server}/net-0123abcd.pth"))
    assert time.monotonic() - start < 5


def test_name_look_up_that_hangs_is_given_up(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(pretrained, "PATIENCE", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(20))
    start = time.monotonic()
    with pytest.raises(WeightsUnavailable, match="no answer within"):
        torchvision_state_dict(enum_at("http://weights.invalid/net-0123abcd.pth"))
    assert time.monotonic() - start < 5
    released.set()


def test_without_download_the_network_is_not_asked(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(WeightsUnavailable, match="not in torch's cache"):
        torchvision_state_dict(enum_at("http://127.0.0.1:9/net-0123abcd.pth"), download=False)


def test_trap_in_the_cache_is_refused(cache, tmp_path):
    cache.mkdir(parents=True)
    torch.save({"0.weight": Trap(tmp_path / "sprung")}, cache / "net-0123abcd.pth")
    with pytest.raises(UnusableWeights, match=r"net-0123abcd\.pth"):
        torchvision_state_dict(enum_at("http://127.0.0.1:9/net-0123abcd.pth"))
    assert not (tmp_path / "sprung").exists()
