"""A local HTTP server that behaves as badly as servers do."""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deepgaze2.support import download
from deepgaze2.support.download import RemoteFile

CONTENT = random.Random(0).randbytes(400_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = 200_000

Behavior = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    """Answers each request by the next behavior of a script, the last one ever after."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Behavior] = []
        self.scripts: dict[str, list[Behavior]] = {}  # for single paths
        self.requests: list[dict[str, str]] = []
        self.test_is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.h5"

    def file(self, checksum: str | None = f"sha256:{SHA256}") -> RemoteFile:
        return RemoteFile(self.url, checksum, len(CONTENT))


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(dict(self.headers))
        script = self.server.scripts.get(self.path, self.server.script)
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def sends(content: bytes = CONTENT, *, etag: str = '"v1"', stop_at: int | None = None) -> Behavior:
    """Serve ranges as the standard says; optionally break off after some bytes."""

    def behavior(handler: Handler) -> None:
        start = 0
        headers = {"ETag": etag} if etag else {}
        asked = handler.headers.get("Range")
        if asked and handler.headers.get("If-Range", etag) == etag:
            start = resumed_at(dict(handler.headers))
            if start >= len(content):
                return handler.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        headers["Content-Length"] = str(len(content) - start)
        handler.answer(206 if start else 200, headers, content[start:stop_at])
        return None

    return behavior


def ignores_ranges(handler: Handler) -> None:
    handler.answer(200, {"Content-Length": str(len(CONTENT))}, CONTENT)


def status(code: int) -> Behavior:
    return lambda handler: handler.answer(code, {"Content-Length": "0"})


def stalls(handler: Handler) -> None:
    handler.answer(200, {"ETag": '"v1"', "Content-Length": str(len(CONTENT))}, CONTENT[:HALF])
    handler.server.test_is_over.wait(20)


def waits(begun: threading.Event, then: Behavior) -> Behavior:
    """Tell that the request is there, and answer it when `begun` is cleared."""

    def behavior(handler: Handler) -> None:
        begun.set()
        while begun.is_set() and not handler.server.test_is_over.wait(0.01):
            pass
        then(handler)

    return behavior


def redirects(handler: Handler) -> None:
    handler.answer(302, {"Location": "/elsewhere", "Content-Length": "0"})


def web_page(handler: Handler) -> None:
    page = b"<!DOCTYPE html><title>Log in</title>"
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}
    handler.answer(200, headers, page)


def resumed_at(headers: dict[str, str]) -> int:
    return int(headers["Range"].removeprefix("bytes=").removesuffix("-"))


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Run a server, with downloads that do not pause before they try again."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "_PAUSES_S", (0.0, 0.0, 0.0))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.test_is_over.set()
        server.shutdown()
        thread.join()
