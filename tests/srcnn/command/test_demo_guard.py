"""Requests to the demo's server that are not its page's."""

import pytest

from tests.support import optional

HOSTS = ("127.0.0.1:7860", "localhost:7860")


@pytest.fixture(scope="module")
def client():
    """Asks an application behind the guard."""
    optional.package("starlette", "requirements-demo.txt")
    from starlette.responses import PlainTextResponse
    from starlette.testclient import TestClient

    from srcnn.command.demo.guard import Guard

    return TestClient(Guard(PlainTextResponse("page"), 7860))


@pytest.mark.parametrize(
    ("answer", "host", "origin"),
    [
        *((200, host, None) for host in HOSTS),
        *((200, host, f"http://{host}") for host in HOSTS),
        (403, HOSTS[0], "http://127.0.0.1.evil.example"),
        (403, HOSTS[0], "http://127.0.0.1:1"),
        (403, HOSTS[0], "null"),
        (403, "evil.example", None),
        (403, "localhost:1", None),
    ],
)
def test_its_own_page_is_answered_and_another_page_or_host_refused(client, answer, host, origin):
    said = client.post("/", headers={"Host": host} | ({"Origin": origin} if origin else {}))
    assert said.status_code == answer
    if answer == 403:
        own = " and ".join(f"http://{host}" for host in HOSTS)
        assert said.text == f"this page is for {own} alone"
