"""Weights come, or one clear error does, within seconds; and nothing is ever unpickled."""

import hashlib
import http.server
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from srcnn.perceptual import pretrained
from srcnn.perceptual.pretrained import (
    WeightsUnavailable,
    read_state_dict,
    torchvision_state_dict,
)

STATE = {"0.weight": torch.arange(6.0).reshape(2, 3), "0.bias": torch.tensor([1.0, 2.0])}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def weights_at(url: str):
    """A stand-in for torchvision's pre-trained weights."""
    return SimpleNamespace(url=url)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def server():
    """Serves the bytes in `server.content` at any path; with `server.stalls`, not to their end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(httpd.content)))
            self.end_headers()
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


def test_download_is_kept_and_then_needs_no_network(server, cache, tmp_path):
    server.content = torch_bytes(tmp_path)
    digest = hashlib.sha256(server.content).hexdigest()[:8]
    weights = weights_at(f"{server.url}/net-{digest}.pth")
    assert same(torchvision_state_dict(weights), STATE)
    server.content = b"gone"
    assert same(torchvision_state_dict(weights, download=False), STATE)
    assert [path.name for path in cache.iterdir()] == [f"net-{digest}.pth"]


def test_wrong_download_is_refused_and_not_kept(server, cache):
    server.content = b"<html>Please log in to this network</html>"
    with pytest.raises(WeightsUnavailable, match="invalid hash"):
        torchvision_state_dict(weights_at(f"{server.url}/net-0123abcd.pth"))
    assert not list(cache.iterdir())


def test_download_that_stalls_is_given_up(server, cache, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "TIMEOUT", 0.3)
    server.content, server.stalls = torch_bytes(tmp_path), True
    start = time.monotonic()
    with pytest.raises(WeightsUnavailable, match="timed out"):
        torchvision_state_dict(weights_at(f"{server.url}/net-0123abcd.pth"))
    assert time.monotonic() - start < 5
    assert socket.getdefaulttimeout() is None
    assert not list(cache.iterdir())


def test_a_server_that_is_away_is_named():
    with pytest.raises(WeightsUnavailable, match=r"127\.0\.0\.1:9/net.*refused"):
        torchvision_state_dict(weights_at("http://127.0.0.1:9/net-0123abcd.pth"))


def test_without_download_the_network_is_not_asked(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(WeightsUnavailable, match="not in torch's cache"):
        torchvision_state_dict(weights_at("http://127.0.0.1:9/net-0123abcd.pth"), download=False)
