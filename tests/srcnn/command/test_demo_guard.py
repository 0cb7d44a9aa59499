"""Requests to the demo's server that are not its page's."""

import asyncio

import pytest

from tests.support import optional

HOSTS = ("127.0.0.1:7860", "localhost:7860")


@pytest.fixture(scope="module")
def status():
    """Asks an application behind the guard: the status of its answer."""
    optional.package("starlette", "requirements-demo.txt")
    from starlette.responses import PlainTextResponse

    from srcnn.command.demo.guard import Guard

    def ask(host, origin=None):
        headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        asyncio.run(Guard(PlainTextResponse("page"), 7860)(scope, None, send))
        if sent[0]["status"] == 403:
            own = " and ".join(f"http://{host}" for host in HOSTS)
            assert sent[1]["body"].decode() == f"this page is for {own} alone"
        return sent[0]["status"]

    return ask


@pytest.mark.parametrize(
    ("answer", "host", "origin"),
    [
        *((200, host, None) for host in HOSTS),
        *((200, host, f"http://{host}") for host in HOSTS),
        *(
            (403, HOSTS[0], origin)
            for origin in ("http://evil.example", "null", "http://127.0.0.1:1")
        ),
        (403, HOSTS[0], "http://127.0.0.1.evil.example"),
        (403, "evil.example", None),
        (403, "localhost:1", None),
        (403, "evil.example", "http://evil.example"),
    ],
)
def test_its_own_page_is_answered_and_another_page_or_host_refused(status, answer, host, origin):
    assert status(host, origin) == answer
