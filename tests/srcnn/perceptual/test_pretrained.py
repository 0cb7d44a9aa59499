"""Weights come, or one clear error does, within seconds; and nothing is ever unpickled."""

import hashlib
import http.server
import socket
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from srcnn.perceptual import pretrained
from srcnn.perceptual.pretrained import WeightsUnavailable, read_state_dict, torchvision_state_dict

STATE = {"0.weight": torch.arange(6.0).reshape(2, 3), "0.bias": torch.tensor([1.0, 2.0])}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def download(url: str):
    """What torchvision's pre-trained weights would be if they were there."""
    return torchvision_state_dict(SimpleNamespace(url=url))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def server(tmp_path):
    """The address of one that serves the files in tmp_path."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.mark.parametrize(("name", "is_new"), [("new.pt", True), ("old.pth", False)])
def test_reads_both_formats_of_pytorch(tmp_path, name, is_new):
    torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=is_new)
    assert same(read_state_dict(tmp_path / name), STATE)


def test_download_is_kept_and_then_needs_no_network(server, cache, tmp_path):
    torch.save(STATE, tmp_path / "state.pth")
    digest = hashlib.sha256((tmp_path / "state.pth").read_bytes()).hexdigest()[:8]
    served = (tmp_path / "state.pth").rename(tmp_path / f"net-{digest}.pth")
    assert same(download(f"{server}/{served.name}"), STATE)
    served.unlink()
    assert same(download(f"{server}/{served.name}"), STATE)
    assert [path.name for path in cache.iterdir()] == [served.name]


def test_wrong_download_is_refused_and_not_kept(server, cache, tmp_path):
    (tmp_path / "net-0123abcd.pth").write_text("<html>Please log in to this network</html>")
    with pytest.raises(WeightsUnavailable, match="checksum"):
        download(f"{server}/net-0123abcd.pth")
    assert not list(cache.iterdir())


def test_download_that_stalls_is_given_up(cache, monkeypatch):
    connections = []  # kept open

    def answer():
        connections.append(silent.accept()[0])
        connections[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nThe first bytes")

    monkeypatch.setattr(pretrained, "TIMEOUT", 0.3)
    start = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=answer).start()
        with pytest.raises(WeightsUnavailable, match="timed out"):
            download(f"http://127.0.0.1:{silent.getsockname()[1]}/net-0123abcd.pth")
    assert time.monotonic() - start < 5
    assert socket.getdefaulttimeout() is None
    assert not list(cache.iterdir())
