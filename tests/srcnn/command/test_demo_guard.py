"""Requests to the demo's server that are not its page's, or that would fill the disk."""

import http.client
import select
import time
from contextlib import ExitStack, closing
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests

from tests import demo, optional
from tests.models import model_file

MAX_BODY, MAX_KEPT = 1_000_000, 4_000_000
UPLOAD = "/gradio_api/upload"
PART = b'--part\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page, with low limits."""
    folder = tmp_path_factory.mktemp("served")
    optional.package("gradio", "requirements-demo.txt")
    from srcnn.command.demo import guard

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "MAX_BODY", MAX_BODY)
        patch.setattr(guard, "MAX_KEPT", MAX_KEPT)
        patch.setattr("tempfile.tempdir", str(folder / "files"))
        (folder / "files").mkdir()
        with demo.served([str(model_file(folder))], folder / "files") as address:
            yield SimpleNamespace(address=address, files=folder / "files")


@pytest.fixture(autouse=True)
def samples(server):
    """The files that the page begins with; they outlive each test, and what it left goes."""
    there = kept(server)
    assert len(there) == 8
    yield there
    assert there.items() <= kept(server).items()
    for path in set(kept(server)) - set(there):
        path.unlink()


def kept(server):
    """The size of each of the page's files."""
    return {path: path.stat().st_size for path in server.files.rglob("*") if path.is_file()}


def upload(server, size=1000, name="a.png", **request):
    files = {"files": (name, name.encode().ljust(size))}
    return requests.post(server.address + UPLOAD, files=files, timeout=60, **request)


class Stream:
    """An upload in chunks, which declares no length."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=60)
        self.connection.putrequest("POST", UPLOAD)
        self.connection.putheader("Content-Type", "multipart/form-data; boundary=part")
        self.connection.putheader("Transfer-Encoding", "chunked")
        self.connection.endheaders()
        self.send(PART)

    def send(self, data):
        self.connection.send(b"%x\r\n%s\r\n" % (len(data), data))

    def answered(self):
        return bool(select.select([self.connection.sock], [], [], 0)[0])

    def close(self):
        self.connection.close()


def wait(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Host": "evil.example"},
        {"Host": "localhost:1"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_another_page_and_another_host_are_refused(server, samples, headers):
    answers = [
        upload(server, headers=headers),
        requests.get(server.address, headers=headers, timeout=60),
    ]
    for answer in answers:
        assert answer.status_code == 403
        assert answer.text == f"this page is for {server.address} and {local(server)} alone"
    assert kept(server) == samples


def test_the_page_is_answered_by_both_names(server):
    for address in (server.address, local(server)):
        headers = {"Host": urlsplit(address).netloc, "Origin": address}
        assert upload(server, headers=headers).status_code == 200
        config = requests.get(f"{server.address}/config", headers=headers, timeout=60).json()
        assert config["root"] == address


def local(server):
    return server.address.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("path", [UPLOAD, "/gradio_api/queue/join", "/gradio_api/nothing"])
def test_a_body_that_is_too_large_is_refused_before_it_comes(server, samples, path):
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=60)
    with closing(connection):
        connection.request("POST", path, headers={"Content-Length": str(MAX_BODY + 1)})
        assert connection.getresponse().status == 413
    assert kept(server) == samples


def test_a_body_without_a_length_is_refused_while_it_comes(server, samples):
    sent = 0
    with closing(Stream(server)) as stream:
        while not stream.answered():
            stream.send(bytes(100_000) + b"\r\n" + PART)  # many files, each small enough
            sent += 100_000
            assert sent < 100 * MAX_BODY  # it would not end by itself
        answer = stream.connection.getresponse()
        assert answer.status == 413
        assert b"maximum allowed size of 1000000 bytes" in answer.read()
    wait(lambda: kept(server) == samples)


def test_an_upload_that_is_cut_off_leaves_nothing(server, samples):
    stream = Stream(server)
    stream.send(bytes(100_000))
    wait(lambda: sum(kept(server).values()) - sum(samples.values()) == 100_000)
    stream.close()
    wait(lambda: kept(server) == samples)


def test_of_all_uploads_the_oldest_go_when_they_take_too_much_room(server, samples):
    names = [f"{number}.png" for number in range(7)]
    for name in names:
        assert upload(server, 900_000, name).status_code == 200
    theirs = {path.name: size for path, size in kept(server).items() if path not in samples}
    assert list(theirs.values()) == [900_000] * 4
    assert theirs.keys() == set(names[-4:])


def test_uploads_that_come_at_once_are_no_way_around_that(server):
    with ExitStack() as ends:
        for _ in range(MAX_KEPT // MAX_BODY):
            stream = ends.enter_context(closing(Stream(server)))
            stream.send(bytes(1000))
        wait(lambda: sum(path.name.startswith("tmp") for path in kept(server)) == 4)
        answer = upload(server)
        assert (answer.status_code, answer.text) == (503, "too many uploads at once")
    wait(lambda: upload(server).status_code == 200)
