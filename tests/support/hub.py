"""A stand-in of the Hugging Face hub on the loopback interface, for its real clients.

It serves one data set at one commit: what `datasets` and `huggingface_hub` ask for to stream and
to download it, byte ranges included. It counts the bytes it serves, and can drop connections.
"""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit


class Hub:
    """`with Hub(repo, files) as hub:` serves `files` (path -> content) at `hub.url`."""

    def __init__(self, repo: str, files: dict[str, bytes]) -> None:
        self.repo, self.files = repo, files
        self.commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.served = 0  # bytes of file content
        self.drops = 0  # how many more file transfers to break off in the middle
        self.stall = threading.Event()  # set: file transfers stop in the middle and hang
        self.stalled = threading.Event()  # set when the first one hangs
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            found = re.fullmatch(
                f"/(?:api/)?datasets/{re.escape(hub.repo)}/(revision|tree|resolve)/([^/]+)/?(.*)",
                path,
            )
            if not found:
                return self._error("RepoNotFound")
            kind, revision, name = found.groups()
            if revision not in ("main", hub.commit):
                return self._error("RevisionNotFound")
            if kind == "revision":
                siblings = [{"rfilename": file} for file in hub.files]
                return self._json({"id": hub.repo, "sha": hub.commit, "siblings": siblings})
            if kind == "tree":
                return self._json(self._tree(name))
            if name not in hub.files:
                return self._error("EntryNotFound")
            return self._file(hub.files[name])

        do_HEAD = do_GET  # noqa: N815

        def _tree(self, folder: str) -> list[dict[str, object]]:
            """The files and folders below a folder, however deep."""
            folders = {path.rpartition("/")[0] for path in hub.files} - {""}
            contents = dict.fromkeys(folders, b"") | hub.files
            return [
                {
                    "type": "file" if path in hub.files else "directory",
                    "oid": _oid(content),
                    "size": len(content),
                    "path": path,
                }
                for path, content in contents.items()
                if path.startswith(f"{folder}/" if folder else "")
            ]

        def _file(self, content: bytes) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start = int(asked[1]) if asked else 0
            end = int(asked[2]) + 1 if asked and asked[2] else len(content)
            part = content[start:end]
            headers = {"ETag": f'"{_oid(content)}"', "Accept-Ranges": "bytes"}
            if asked:
                headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
            self._send(206 if asked else 200, part, headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            headers |= {"X-Repo-Commit": hub.commit, "Content-Length": str(len(body))}
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if "ETag" in headers:
                body = self._count_or_break(body)
            self.wfile.write(body)

        def _count_or_break(self, body: bytes) -> bytes:
            if len(body) > 10_000 and (hub.drops > 0 or hub.stall.is_set()):
                body = body[: len(body) // 2]
                self.close_connection = True
                if hub.stall.is_set():
                    self.wfile.write(body)
                    self.wfile.flush()
                    hub.stalled.set()
                    hub._closing.wait(60)
                    return b""
                hub.drops -= 1
            hub.served += len(body)
            return body

        def _json(self, content: object) -> None:
            self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _error(self, code: str) -> None:
            self._send(404, b"", {"X-Error-Code": code, "X-Error-Message": code})

    return Handler


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
