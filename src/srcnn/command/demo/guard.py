"""Which requests the page's server answers: those of its own page.

Any page that is open in the same browser can send requests to a server on this machine, and a name
that a stranger chose can lead to it: the browser tells both, by Origin and Host. Gradio by itself
only hides its answers from other pages; what they send it takes.
"""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Guard:
    """ASGI middleware that answers 403 to other pages and to other hosts."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        """
        Args:
            app: what answers the rest.
            port: the one that the page is served at.
        """
        names = ("127.0.0.1", "localhost")
        hosts = [*(f"{name}:{port}" for name in names), *(names if port == 80 else ())]
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(f"http://{host}" for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not self._is_own(Headers(scope=scope)):
            own = " and ".join(sorted(self._origins))
            refusal = PlainTextResponse(f"this page is for {own} alone", 403)
            return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)

    def _is_own(self, headers: Headers) -> bool:
        return headers.get("host") in self._hosts and self._origins.issuperset(
            headers.getlist("origin")
        )
