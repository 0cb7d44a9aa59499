"""What the page's server answers: its own page alone, and no more than the disk has room for.

Any page that is open in the same browser can send requests to a server on this machine, and a name
that a stranger chose can lead to it: the browser tells both, by Origin and Host.
"""

from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from srcnn.command.demo import scratch

# Bytes of a request's body: `work.MAX_RESULT_PIXELS` of RGBA with 16 bits, and some more.
MAX_BODY = 128 * 2**20

# Bytes of all uploads and results together.
MAX_KEPT = 1_000_000_000


class Guard:
    """ASGI middleware that lets through what the page itself asks.

    A request is refused with 403 if it comes from another page or asks for another host, with 413
    if its body has more than MAX_BODY bytes, declared or not, with 503 if others that come in at
    the same time leave no room for it. Before a body is taken, the oldest uploads and results go,
    so that all have at most MAX_KEPT bytes.
    """

    def __init__(self, app: ASGIApp, port: int, folder: Path) -> None:
        """
        Args:
            app: what answers the rest.
            port: the one that the page is served at.
            folder: where all uploads and results are; what is in it now stays.
        """
        names = ("127.0.0.1", "localhost")
        hosts = [*(f"{name}:{port}" for name in names), *(names if port == 80 else ())]
        self.app = app
        self.hosts = frozenset(hosts)
        self.origins = frozenset(f"http://{host}" for host in hosts)
        self.folder = folder
        self.kept = frozenset(scratch.files(folder))
        self.coming = 0  # bytes of the bodies that are being taken, at most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        if headers.get("host") not in self.hosts or not self.origins.issuperset(
            headers.getlist("origin")
        ):
            own = " and ".join(sorted(self.origins))
            return await _refuse(403, f"this page is for {own} alone", scope, receive, send)
        length = _length(headers)
        if not length:
            return await self.app(scope, receive, send)
        if length > MAX_BODY:
            return await _refuse(413, f"{_TOO_LARGE} {MAX_BODY} bytes", scope, receive, send)
        if self.coming + length > MAX_KEPT:
            return await _refuse(503, "too many uploads at once", scope, receive, send)
        self.coming += length
        try:
            room = MAX_KEPT - self.coming
            await to_thread.run_sync(scratch.remove_oldest, self.folder, room, self.kept)
            await self.app(scope, _limited(receive, length), send)
        finally:
            self.coming -= length


_TOO_LARGE = "more than the maximum allowed size of"  # by these words Gradio, too, answers 413


def _length(headers: Headers) -> int:
    """Of the body, in bytes: as declared, which the server enforces, or all that is allowed."""
    return MAX_BODY if "transfer-encoding" in headers else int(headers.get("content-length", 0))


def _limited(receive: Receive, length: int) -> Receive:
    """The same body, which ends with an error if it is longer or is cut off.

    The error is the one at which Gradio removes the part that it has written.
    """
    came, whole = 0, False

    async def limited() -> Message:
        nonlocal came, whole
        message = await receive()
        came += len(message.get("body", b""))
        if came > length:
            raise MultiPartException(f"{_TOO_LARGE} {length} bytes")
        if message["type"] == "http.disconnect" and not whole:
            raise MultiPartException("cut off")
        whole = whole or not message.get("more_body", False)
        return message

    return limited


async def _refuse(status: int, why: str, scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(why, status)(scope, receive, send)
