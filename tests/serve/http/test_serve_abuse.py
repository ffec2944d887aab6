"""What clients do by mistake or by malice: nothing crashes, leaks or hangs."""

import concurrent.futures
import http.client
import socket
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from deepgaze2.serve.queue.limits import MAX_CONNECTIONS
from helpers.live_server import LiveServer, all_from, eventually, photo, serving, upload_head


@pytest.fixture
def unharmed(server: LiveServer) -> Iterator[LiveServer]:
    """The server, which must be as well afterwards as it was before."""
    assert predicts(server)  # the first image takes memory that is kept
    worker, files, memory = server.worker().pid, server.open_files(), server.memory_bytes()
    yield server
    server.wait_for_metric("images_under_way", 0)
    server.wait_for_metric("queue_length", 0)
    assert predicts(server)
    assert server.worker().pid == worker
    eventually(lambda: server.open_files() <= files + 2)
    grown = np.subtract(server.memory_bytes(), memory)
    assert (grown < (40e6, 200e6)).all()  # the worker's grows to what its largest images took


def predicts(live: LiveServer) -> bool:
    return live.predict(photo()).status_code == 200


def refused(response: httpx.Response, name: str) -> bool:
    return bool(response.json()["type"] == f"/problems/{name}")


def png(width: int, height: int, pixels: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A gray PNG whose pixel data may be anything."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def test_an_upload_of_100_mb(unharmed: LiveServer) -> None:
    content = bytes(100_000_000)
    assert refused(unharmed.predict(content), "body-too-large")
    form = unharmed.client.post("/v1/predict", files={"image": content})
    assert refused(form, "body-too-large")
    pieces = (bytes(1_000_000) for _ in range(100))  # nothing says beforehand how much will come
    assert refused(unharmed.predict(pieces), "body-too-large")


def test_an_image_of_50000_by_50000_pixels(unharmed: LiveServer) -> None:
    for size in ((50_000, 50_000), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1)):
        assert refused(unharmed.predict(png(*size, bytes(50_000))), "image-too-large")


def test_bombs_in_png(unharmed: LiveServer) -> None:
    bomb = bytes(200_000_000)
    packed = zlib.compress(bomb, 9)
    assert len(packed) < 200_000
    assert unharmed.predict(png(100, 100, bomb)).json()["width"] == 100  # the rest is not read
    for chunk in ((b"zTXt", b"Comment\0\0" + packed), (b"iCCP", b"profile\0\0" + packed)):
        assert refused(unharmed.predict(png(9, 9, bytes(90), chunk)), "image-damaged")


def test_an_archive_that_calls_itself_png(unharmed: LiveServer, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50_000_000))
    content = (tmp_path / "bomb.zip").read_bytes()
    response = unharmed.client.post(
        "/v1/predict", files={"image": ("cat.png", content, "image/png")}
    )
    assert refused(response, "unsupported-image")


def test_10000_small_requests(unharmed: LiveServer) -> None:
    asked = {"/healthz": 200, "/nothing": 404, "/v1/predict": 405, "/v1/models": 200}

    def ask(n: int) -> list[tuple[str, int]]:
        host, port = unharmed.address
        connection = http.client.HTTPConnection(host, port, timeout=60)
        found = []
        for _ in range(n):
            for path in asked:
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                found.append((path, response.status))
        connection.close()
        return found

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [answer for part in pool.map(ask, [313] * 8) for answer in part]
    assert len(answers) >= 10_000
    assert set(answers) == set(asked.items())


@pytest.mark.parametrize(
    ("kind", "length", "status"),
    [("image/png", 100_000_000, 413), ("text/plain", 3_000_000, 415)],
)
def test_refusals_reach_clients_that_upload_to_the_end(
    unharmed: LiveServer, kind: str, length: int, status: int
) -> None:
    head = upload_head(length).replace(b"image/png", kind.encode())
    head = head.replace(b"Host:", b"Connection: close\r\nHost:")
    with unharmed.connection() as connection:
        connection.sendall(head + bytes(length))
        assert all_from(connection).startswith(f"HTTP/1.1 {status} ".encode())


def test_more_connections_than_are_taken(unharmed: LiveServer) -> None:
    silent = [unharmed.connection() for _ in range(MAX_CONNECTIONS + 50)]
    for connection in silent[:100]:
        connection.sendall(b"GET / HTT")
    assert all_from(silent[-1]) == b""
    for connection in silent:
        connection.close()
    eventually(lambda: _answers(unharmed))


def _answers(live: LiveServer) -> bool:
    try:
        return live.client.get("/healthz").is_success
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_silent_connections_are_closed_in_time(unharmed: LiveServer) -> None:
    healthz = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for sent, received in ((b"", b""), (b"GET / HTT", b""), (healthz, b"HTTP/1.1 200 OK")):
        with unharmed.connection() as connection:
            connection.sendall(sent)
            assert all_from(connection).startswith(received)


def test_a_header_without_end(unharmed: LiveServer) -> None:
    with unharmed.connection() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\na: " + b"b" * 20_000)
        assert b"/problems/incomplete-request" in all_from(connection)


def test_clients_that_leave_while_they_upload(unharmed: LiveServer) -> None:
    gone = unharmed.metric("requests_total", route="/v1/predict", status="499")
    for sent in (b"", bytes(10), bytes(100_000)):
        with unharmed.connection() as connection:
            connection.sendall(upload_head(200_000) + sent)
    eventually(
        lambda: unharmed.metric("requests_total", route="/v1/predict", status="499") == gone + 3
    )


def test_clients_that_leave_while_they_wait(unharmed: LiveServer) -> None:
    content = photo()
    worker = unharmed.worker()
    worker.suspend()
    try:
        for _ in range(5):
            with unharmed.connection() as connection:
                connection.sendall(upload_head(len(content)) + content)
                unharmed.wait_for_metric("images_under_way", 1)
            unharmed.wait_for_metric("images_under_way", 0)
        unharmed.wait_for_metric("queue_length", 0)
    finally:
        worker.resume()


def test_large_results_are_not_kept(unharmed: LiveServer) -> None:
    before, _ = unharmed.memory_bytes()
    assert len(unharmed.predict(photo(5000, 4000), "format=npy").content) > 80e6
    eventually(lambda: unharmed.memory_bytes()[0] < before + 30e6)


def test_clients_that_reset_their_connection(unharmed: LiveServer) -> None:
    content = photo()
    for sent in (content[:50], content):
        connection = unharmed.connection()
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.sendall(upload_head(len(content)) + sent)
        connection.close()


PART = b'--edge\r\nContent-Disposition: form-data; name="image"\r\n'


@pytest.mark.parametrize(
    ("form", "detail"),
    [
        (PART + b"a: " + b"b" * 10_000_000, "header size"),
        (PART + b"a" * 10_000_000, "header size"),
        (PART + b"a: b\r\n" * 1_000_000, "header count"),
        ((PART + b"\r\nx\r\n") * 10_000 + b"--edge--", "two images"),
        ((PART + b"\r\n\r\n") * 10_000 + b"--edge--", "two images"),
        (b"--edge\r\n\r\n\r\n" * 10_000 + b"--edge--", "a field ''"),
    ],
    ids=["value", "name", "headers", "parts", "empty parts", "bare parts"],
)
def test_forms_that_are_mostly_headers(unharmed: LiveServer, form: bytes, detail: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    response = unharmed.client.post("/v1/predict", content=form, headers=headers)
    assert refused(response, "invalid-multipart")
    assert detail in response.json()["detail"]


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[LiveServer]:
    limits = ("--max-transfer-seconds", "1", "--max-seconds", "1")
    with serving(tmp_path / "stderr", *limits) as live:
        live.wait_until_ready()
        yield live


def ask_without_reading(connection: socket.socket) -> None:
    """Send requests until the server stops reading them, since no answer is taken."""
    requests = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
    connection.settimeout(0.5)
    with pytest.raises(TimeoutError):
        connection.sendall(requests * 100)


def test_clients_that_never_read_are_left(impatient: LiveServer) -> None:
    with impatient.connection() as connection:
        ask_without_reading(connection)
        port = connection.getsockname()[1]
        eventually(lambda: port not in impatient.clients(), 10)


def test_the_server_ends_though_a_client_never_reads(impatient: LiveServer) -> None:
    with impatient.connection() as connection:
        ask_without_reading(connection)
        impatient.process.terminate()
        assert impatient.process.wait(20) == 0


def test_the_server_ends_though_an_upload_does_not(impatient: LiveServer) -> None:
    with impatient.connection() as connection:
        connection.sendall(upload_head(9))
        impatient.wait_for_metric("images_under_way", 1)
        impatient.process.terminate()
        assert impatient.process.wait(20) == 0


def test_upgrades_and_pipelines(unharmed: LiveServer) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    with unharmed.connection() as connection:
        upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        connection.sendall(request + upgrade + (request + b"\r\n") * 50)
        connection.sendall(request + b"Connection: close\r\n\r\n")
        answer = all_from(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == 52
