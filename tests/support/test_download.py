"""Downloads against a real local server that behaves as badly as servers do."""

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepgaze2.errors import DownloadError, OutputError
from deepgaze2.support.download import RemoteFile, download
from helpers.bad_server import (
    CONTENT,
    HALF,
    SHA256,
    Behavior,
    Handler,
    Server,
    ignores_ranges,
    redirects,
    resumed_at,
    sends,
    serving,
    stalls,
    status,
    waits,
    web_page,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(monkeypatch) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights.h5"


def arrived(target: Path) -> bool:
    """Whether the whole file, and nothing else, is in the folder."""
    return list(target.parent.iterdir()) == [target] and target.read_bytes() == CONTENT


MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.mark.parametrize("checksum", [f"sha256:{SHA256[:8]}", f"md5:{MD5}", None])
def test_fetches_and_shows_progress(
    server: Server, target: Path, checksum: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    server.script = [sends()]
    assert download(server.file(checksum), target) == target
    assert arrived(target)
    stdout, stderr = capfd.readouterr()
    assert stdout == ""
    megabytes = f"{len(CONTENT) / 1e6:.1f}"
    assert f"weights.h5: {megabytes} of {megabytes} MB in" in stderr


def test_a_verified_file_is_not_fetched_again_but_another_one_is(
    server: Server, target: Path
) -> None:
    server.script = [sends()]
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    download(server.file(), target)
    assert server.requests == []
    target.write_bytes(CONTENT[:-1] + b"?")
    download(server.file(), target)
    assert len(server.requests) == 1
    assert arrived(target)


def breaks_off_without_a_length(handler: Handler) -> None:
    handler.answer(200, {"ETag": '"v1"'}, CONTENT[:HALF])


@pytest.mark.parametrize("breaks", [sends(stop_at=HALF), breaks_off_without_a_length])
@pytest.mark.parametrize("resumes", [sends(), ignores_ranges])
def test_goes_on_after_truncation(
    server: Server, target: Path, breaks: Behavior, resumes: Behavior
) -> None:
    server.script = [breaks, resumes]
    download(server.file(), target)
    assert arrived(target)
    assert HALF // 2 < resumed_at(server.requests[1]) <= HALF
    assert server.requests[1]["If-Range"] == '"v1"'


def test_starts_over_if_the_file_changed_in_between(server: Server, target: Path) -> None:
    server.script = [sends(b"x" * 400_000, stop_at=HALF), sends(etag='"v2"')]
    download(server.file(checksum=None), target)
    assert arrived(target)


def test_does_not_resume_what_nothing_can_verify(server: Server, target: Path) -> None:
    server.script = [sends(b"x" * 400_000, etag="", stop_at=HALF), sends(etag="")]
    download(server.file(checksum=None), target)
    assert arrived(target)
    assert "Range" not in server.requests[1]


@pytest.mark.parametrize(("surplus", "requests"), [(b"", 1), (b"too long", 2)])
def test_a_part_that_is_complete_or_too_long(
    server: Server, target: Path, surplus: bytes, requests: int
) -> None:
    server.script = [sends()]
    target.parent.mkdir()
    target.with_name("weights.h5.part").write_bytes(CONTENT + surplus)
    download(server.file(), target)
    assert arrived(target)
    assert len(server.requests) == requests


def test_goes_on_after_a_stall(server: Server, target: Path) -> None:
    server.script = [stalls, sends()]
    start_s = time.monotonic()
    download(server.file(), target, stall_s=0.3)
    assert time.monotonic() - start_s < 10
    assert arrived(target)


def sends_another_range(handler: Handler) -> None:
    handler.answer(206, {"Content-Range": "bytes 0-9/400000", "Content-Length": "10"}, b"0" * 10)


@pytest.mark.parametrize(
    "troubles",
    [
        [redirects],
        [sends(stop_at=HALF), sends_another_range],
        [status(429), status(500), status(503)],
        [sends(stop_at=stop) for stop in range(40_000, 400_000, 40_000)],
    ],
)
def test_gets_there_after(server: Server, target: Path, troubles: list[Behavior]) -> None:
    server.script = [*troubles, sends()]
    download(server.file(), target)
    assert arrived(target)
    assert len(server.requests) == len(troubles) + 1


@pytest.mark.parametrize(
    ("behavior", "requests", "message"),
    [
        (status(500), 4, "500 Internal Server Error"),
        (status(404), 1, "the server answers 404 Not Found"),
        (redirects, 31, "30 redirects"),
        (web_page, 1, "a web page came instead of the file"),
    ],
)
def test_gives_up(
    server: Server, target: Path, behavior: Behavior, requests: int, message: str
) -> None:
    server.script = [behavior]
    with pytest.raises(DownloadError, match=message) as caught:
        download(server.file(), target)
    assert str(caught.value).startswith(server.url)
    assert f"save it as {target}" in str(caught.value)
    assert len(server.requests) == requests
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"?", CONTENT + b"more"])
def test_refuses_other_content(server: Server, target: Path, content: bytes) -> None:
    server.script = [sends(content)]
    with pytest.raises(DownloadError, match="not the one declared") as caught:
        download(RemoteFile(server.url, f"sha256:{SHA256}"), target)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)
    assert SHA256 in str(caught.value)
    with pytest.raises(DownloadError, match=f"{len(content)} bytes, not 5"):
        download(RemoteFile(server.url, None, 5), target)
    assert not target.exists()
    assert not target.with_name("weights.h5.part").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/w.h5", "http://host.invalid/w.h5"])
def test_offline_says_what_to_do(server: Server, target: Path, url: str) -> None:
    with Server() as closed:
        url = url.format(port=closed.server_port)
    with pytest.raises(DownloadError) as caught:
        download(RemoteFile(url), target)
    message = str(caught.value)
    assert message.startswith(url)
    assert f"save it as {target}" in message
    assert "\n" not in message


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot be written"):
        download(server.file(), tmp_path / "file" / "weights.h5")


def test_another_file_in_its_place_is_named_as_such(server: Server, target: Path) -> None:
    server.script = [status(404)]
    target.parent.mkdir()
    target.write_bytes(b"<html>quota</html>")
    with pytest.raises(DownloadError, match=r"where another file lies now \(18 bytes, not 400000"):
        download(server.file(), target)
    assert target.read_bytes() == b"<html>quota</html>"


def test_only_one_at_a_time_writes_a_file(server: Server, target: Path) -> None:
    begun = threading.Event()
    server.script = [waits(begun, sends())]
    first = threading.Thread(target=download, args=(server.file(), target))
    first.start()
    assert begun.wait(10)
    with pytest.raises(OutputError, match=r"weights\.h5: is being written by another process"):
        download(server.file(), target)
    begun.clear()
    first.join()
    assert arrived(target)
    assert len(server.requests) == 1


def test_ctrl_c_leaves_what_came_for_the_next_time(server: Server, target: Path) -> None:
    server.script = [stalls, sends()]
    code = (
        "from pathlib import Path; from deepgaze2.support.download import *;"
        f"download(RemoteFile({server.url!r}), Path({str(target)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    part = target.with_name("weights.h5.part")
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate()[1]
    assert not target.exists()
    left_bytes = part.stat().st_size
    download(server.file(), target)
    assert arrived(target)
    assert resumed_at(server.requests[1]) == left_bytes
