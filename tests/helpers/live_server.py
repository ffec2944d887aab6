"""A real server in a process of its own, and how to look into it."""

import io
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
from PIL import Image

COMMAND = [sys.executable, "-c", "from deepgaze2.cli import main; main()", "serve"]
T = TypeVar("T")

PATIENCE_S = 120.0  # on a busy machine


@dataclass
class LiveServer:
    process: subprocess.Popen[str]
    url: str
    client: httpx.Client

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port

    def connection(self) -> socket.socket:
        """A connection for what no client of HTTP does."""
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def predict(self, content: bytes | Iterable[bytes], query: str = "") -> httpx.Response:
        """Upload an image as it is."""
        headers = {"Content-Type": "image/png"}
        return self.client.post(f"/v1/predict?{query}", content=content, headers=headers)

    def worker(self) -> psutil.Process:
        """The process that computes."""
        return eventually(lambda: self._children()[0])

    def _children(self) -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(self.process.pid).children()
            if child.status() != psutil.STATUS_ZOMBIE
        ]

    def wait_until_ready(self) -> None:
        eventually(lambda: self.client.get("/readyz").status_code == 200)

    def metric(self, name: str, **labels: str) -> float:
        """A number from /metrics; 0 for what was never counted."""
        inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
        wanted = f"deepgaze2_{name}{{{inside}}} " if labels else f"deepgaze2_{name} "
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith(wanted):
                return float(line.removeprefix(wanted))
        return 0.0

    def wait_for_metric(self, name: str, value: float) -> None:
        eventually(lambda: self.metric(name) == value)

    def memory_bytes(self) -> tuple[int, int]:
        """Memory of the server and of its worker."""
        server, worker = psutil.Process(self.process.pid), self.worker()
        return server.memory_info().rss, worker.memory_info().rss

    def open_files(self) -> int:
        return int(psutil.Process(self.process.pid).num_fds())

    def clients(self) -> set[int]:
        """Ports that the open connections come from."""
        connections = psutil.Process(self.process.pid).net_connections("tcp")
        return {connection.raddr.port for connection in connections if connection.raddr}


def eventually(condition: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Wait until a condition holds, and return it."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if found := condition():
                return found
        except (IndexError, psutil.NoSuchProcess):
            pass
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def upload_head(length: int, query: str = "") -> bytes:
    """The beginning of an upload of so many bytes."""
    return (
        f"POST /v1/predict?{query} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: image/png\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def all_from(connection: socket.socket) -> bytes:
    """What a connection gives until the other side closes it."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@contextmanager
def serving(
    stderr: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    ends_well: bool = True,
) -> Iterator[LiveServer]:
    """Run `deepgaze2 serve` on a free port until the block ends, then end it as a user would."""
    # No browser is opened by a program that does nothing, unless a test names another.
    variables = {**os.environ, "BROWSER": "true", **(environment or {})}
    token = variables.get("DEEPGAZE2_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with (
        stderr.open("w") as errors,
        subprocess.Popen(
            [*COMMAND, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=variables,
        ) as process,
    ):
        try:
            url = _announced(process)
            with httpx.Client(
                base_url=url, trust_env=False, timeout=PATIENCE_S, headers=headers
            ) as client:
                yield LiveServer(process, url, client)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            assert (process.wait(PATIENCE_S) == 0) == ends_well
        finally:
            process.kill()
    assert "Traceback" not in stderr.read_text()


def _announced(process: subprocess.Popen[str]) -> str:
    """The address in the server's first line."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(
        target=lambda stream: lines.put(stream.readline()), args=[process.stdout]
    ).start()
    words = lines.get(timeout=PATIENCE_S).split()
    return next(word.rstrip("/;") for word in words if word.startswith("http://"))


def photo(width: int = 60, height: int = 40, kind: str = "PNG") -> bytes:
    """An image file with something in it."""
    image = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()
