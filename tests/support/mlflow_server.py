"""A real `mlflow server` to publish to, and a proxy before it that can be down or fail."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import requests

from tests.support.ports import free_port

_PATIENCE = 240.0  # seconds


class Server:
    """MLflow's tracking server on 127.0.0.1.

    Attributes:
        uri: for MLFLOW_TRACKING_URI.
        artifacts: the folder in which it keeps what is uploaded.

    Args:
        folder: of its artifacts and its log.
        database: SQLAlchemy's URI of its database.
        options: of `mlflow server`, beside and instead of those here.
        environment: variables for it alone.
    """

    def __init__(
        self,
        folder: Path,
        database: str,
        options: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.artifacts = folder / "artifacts"
        self._folder, self._database = folder, database
        self._options, self._environment = options or {}, environment or {}
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it, at the same port each time, and wait until it answers."""
        options = {
            "backend-store-uri": self._database,
            "artifacts-destination": self.artifacts,
            "port": self.port,
            "workers": 1,
            **self._options,
        }
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += [f"--{name}={value}" for name, value in options.items()]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **quiet, **self._environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError((self._folder / "server.log").read_text()[-2000:])
            time.sleep(0.1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL it and its workers."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=5).ok
        except requests.RequestException:
            return False


class Proxy:
    """Stands before a server, at a port of its own.

    Attributes:
        uri: for MLFLOW_TRACKING_URI.
        fails: whether it answers 500 instead of handing on what it gets.
    """

    def __init__(self, server: Server) -> None:
        self.upstream, self.port = server.port, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.fails = False
        self._listening: ThreadingHTTPServer | None = None

    def up(self) -> None:
        """Listen."""
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._listening = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        threading.Thread(target=self._listening.serve_forever, daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._listening:
            self._listening.shutdown()
            self._listening.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.proxy.fails:
            self.send_error(500)
            return
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
        except OSError:  # the server is down: so is this
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _hand_on  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""
