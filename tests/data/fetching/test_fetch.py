"""Data sets fetched from a local server that behaves as badly as servers do."""

import hashlib
import io
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deepgaze2.data.fetching.fetch import dataset_directory, fetch, is_fetched
from deepgaze2.data.published.declared import Declaration, DeclaredFile
from deepgaze2.errors import DataError, DownloadError, OutputError
from deepgaze2.support.download import RemoteFile, download
from helpers.bad_server import (
    HALF,
    Behavior,
    Handler,
    Server,
    redirects,
    resumed_at,
    sends,
    serving,
    status,
    waits,
    web_page,
)


def zipped(files: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


IMAGES = {f"ALLSTIMULI/{i}.jpeg": bytes([i]) * 100_000 for i in range(4)}
DATA = {"DATA/CNG/1.mat": b"scanpath"}
STIMULI_ZIP, DATA_ZIP, README = zipped(IMAGES), zipped(DATA), b"read me"
WHOLE = IMAGES | DATA | {"docs/README": README}


def stalls_after(content: bytes, n: int) -> Behavior:
    """Send the first bytes and then nothing."""

    def behavior(handler: Handler) -> None:
        headers = {"ETag": '"v1"', "Content-Length": str(len(content))}
        handler.answer(200, headers, content[:n])
        handler.server.test_is_over.wait(20)

    return behavior


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    with serving(monkeypatch) as server:
        server.scripts = {
            "/ALLSTIMULI.zip": [sends(STIMULI_ZIP)],
            "/DATA.zip": [sends(DATA_ZIP)],
            "/README": [sends(README)],
        }
        server.script = [status(404)]
        yield server


def declared(server: Server, *, checksums: bool = True, by_hand: str = "") -> Declaration:
    """Two archives and a file; `by_hand` names one that no program can get."""
    base = server.url.rpartition("/")[0]
    files = []
    for name, content in (
        ("ALLSTIMULI.zip", STIMULI_ZIP),
        ("DATA.zip", DATA_ZIP),
        ("README", README),
    ):
        remote = RemoteFile(f"{base}/{name}", md5(content) if checksums else None)
        files.append(
            DeclaredFile(
                remote=remote,
                filename=name,
                unpack=name.endswith(".zip"),
                folder="docs" if name == "README" else ".",
                automatic=name != by_hand,
            )
        )
    return Declaration(name="mini", title="Mini (Doe 2000)", files=tuple(files))


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".deepgaze2"
    }


def downloads_of(folder: Path) -> list[str]:
    """What lies beside the folder for a later call."""
    return sorted(path.name for path in folder.with_name(f"{folder.name}.downloads").iterdir())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_fetches_once_and_leaves_the_data_set_alone(
    server: Server, tmp_path: Path, elsewhere: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    chosen = tmp_path / "my data" / "größe" if elsewhere else None
    folder = fetch(declared(server), chosen)
    assert folder == (chosen or dataset_directory("mini"))
    assert content_of(folder) == WHOLE
    assert list(folder.parent.iterdir()) == [folder]
    progress = capfd.readouterr().err
    for name in ("ALLSTIMULI.zip", "DATA.zip", "README"):
        assert re.search(rf"^{name}: (\S+) of \1 MB in", progress, re.MULTILINE)
    n_requests = len(server.requests)
    assert n_requests == 3
    assert fetch(declared(server), chosen) == folder
    assert len(server.requests) == n_requests
    assert is_fetched(declared(server), folder)


def test_gets_there_over_a_bad_connection(server: Server) -> None:
    half = len(STIMULI_ZIP) // 2
    server.scripts["/ALLSTIMULI.zip"] = [sends(STIMULI_ZIP, stop_at=half), sends(STIMULI_ZIP)]
    server.scripts["/DATA.zip"] = [status(503), redirects]
    server.script = [sends(DATA_ZIP)]  # where the redirection leads
    assert content_of(fetch(declared(server))) == WHOLE


@pytest.mark.parametrize(
    ("behavior", "message"),
    [
        (web_page, "a web page came instead of the file"),
        (sends(zipped({"DATA/CNG/1.mat": b"forged"})), "not the one declared"),
        (status(404), "404 Not Found"),
    ],
)
def test_a_bad_file_is_an_error_and_the_good_ones_are_kept(
    server: Server, behavior: Behavior, message: str
) -> None:
    server.scripts["/DATA.zip"] = [behavior]
    folder = dataset_directory("mini")
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(declared(server))
    assert str(caught.value).startswith(f"{server.url.rpartition('/')[0]}/DATA.zip")
    assert not folder.exists()
    assert downloads_of(folder) == ["ALLSTIMULI.zip", "README"]
    server.scripts["/DATA.zip"] = [sends(DATA_ZIP)]
    server.requests.clear()
    assert content_of(fetch(declared(server))) == WHOLE
    assert len(server.requests) == 1


def test_offline_names_every_file_and_its_place(server: Server) -> None:
    with Server() as closed:
        pass
    folder = dataset_directory("mini")
    with pytest.raises(DownloadError) as caught:
        fetch(declared(closed))
    message = str(caught.value)
    assert "\n" not in message
    for name, content in (
        ("ALLSTIMULI.zip", STIMULI_ZIP),
        ("DATA.zip", DATA_ZIP),
        ("README", README),
    ):
        place = folder.with_name("mini.downloads") / name
        assert f"save it as {place}" in message
        place.write_bytes(content)
    assert content_of(fetch(declared(closed))) == WHOLE  # still offline


def test_files_that_no_program_can_get(server: Server, tmp_path: Path) -> None:
    declaration = declared(server, by_hand="DATA.zip")
    folder = tmp_path / "chosen"
    downloads = tmp_path / "chosen.downloads"
    with pytest.raises(DataError, match="cannot be fetched by a program") as caught:
        fetch(declaration, folder)
    assert "DATA.zip from http" in str(caught.value)
    assert f"put it into {downloads} " in str(caught.value)
    assert server.requests == []
    downloads.mkdir()
    (downloads / "DATA.zip").write_bytes(b"<html>quota</html>")
    with pytest.raises(DataError, match="not the file declared"):
        fetch(declaration, folder)
    (downloads / "DATA.zip").write_bytes(DATA_ZIP)
    assert content_of(fetch(declaration, folder)) == WHOLE
    assert downloads_of(folder) == ["DATA.zip"]  # what the user got stays the user's


def test_does_not_touch_a_folder_that_holds_something_else(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(DataError, match="holds something else"):
        fetch(declared(server), tmp_path / "mine")
    with pytest.raises(DataError, match="holds something else"):
        fetch(declared(server), tmp_path / "mine" / "thesis.tex")
    assert server.requests == []
    (tmp_path / "empty").mkdir()
    assert content_of(fetch(declared(server), tmp_path / "empty")) == WHOLE


def test_a_set_whose_declaration_changed_is_not_what_was_fetched(server: Server) -> None:
    folder = fetch(declared(server))
    (folder / ".deepgaze2").write_text("other files")
    with pytest.raises(DataError, match="holds something else"):
        fetch(declared(server))


def test_a_damaged_archive_without_checksum_is_fetched_anew(server: Server) -> None:
    server.scripts["/DATA.zip"] = [sends(DATA_ZIP[:-30]), sends(DATA_ZIP)]
    declaration = declared(server, checksums=False)
    folder = dataset_directory("mini")
    with pytest.raises(DataError, match=r"DATA\.zip: damaged or incomplete"):
        fetch(declaration)
    assert not folder.exists()
    assert downloads_of(folder) == ["ALLSTIMULI.zip", "README"]
    assert content_of(fetch(declaration)) == WHOLE


def test_ctrl_c_during_a_stall_leaves_parts_for_the_next_time(server: Server) -> None:
    server.scripts["/ALLSTIMULI.zip"] = [stalls_after(STIMULI_ZIP, HALF), sends(STIMULI_ZIP)]
    server.scripts["/DATA.zip"] = [stalls_after(DATA_ZIP, 0), sends(DATA_ZIP)]
    folder = dataset_directory("mini")
    part = folder.with_name("mini.downloads") / "ALLSTIMULI.zip.part"
    code = (
        "from deepgaze2.support.download import RemoteFile;"
        "from deepgaze2.data.fetching.fetch import *;"
        f"from deepgaze2.data.published.declared import *; fetch({declared(server)!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        time.sleep(0.02)
    pressed_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate()[1]
    assert time.monotonic() - pressed_s < 5
    assert not folder.exists()
    left_bytes = part.stat().st_size
    server.requests.clear()
    assert content_of(fetch(declared(server))) == WHOLE
    resumed = [resumed_at(request) for request in server.requests if "Range" in request]
    assert left_bytes in resumed


def test_goes_on_after_a_stall(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.scripts["/ALLSTIMULI.zip"] = [stalls_after(STIMULI_ZIP, HALF), sends(STIMULI_ZIP)]
    quick = partial(download, stall_s=0.3)
    monkeypatch.setattr("deepgaze2.data.fetching.fetch.download", quick)
    assert content_of(fetch(declared(server))) == WHOLE


def test_two_fetches_at_once_do_not_mix(server: Server) -> None:
    begun = threading.Event()
    server.scripts["/DATA.zip"] = [waits(begun, sends(DATA_ZIP))]
    first = threading.Thread(target=fetch, args=(declared(server),))
    first.start()
    assert begun.wait(10)
    with pytest.raises(OutputError, match="mini: is being written by another process; wait"):
        fetch(declared(server))
    begun.clear()
    first.join()
    assert content_of(fetch(declared(server))) == WHOLE
    assert len(server.requests) == 3
    assert list(dataset_directory("mini").parent.iterdir()) == [dataset_directory("mini")]


def refuses(*args: object, **kwargs: object) -> None:
    raise PermissionError(13, "Permission denied", "somewhere")


def test_a_cache_that_cannot_be_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch(declared(server))
    for function in ("read_text", "is_file", "is_dir"):
        monkeypatch.setattr(Path, function, refuses)
    assert not is_fetched(declared(server), folder)
    with pytest.raises(OutputError, match=r"somewhere: cannot be used \(Permission denied\)"):
        fetch(declared(server))


def test_whatever_goes_wrong_in_a_download_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("not foreseen")

    monkeypatch.setattr("deepgaze2.data.fetching.fetch.download", fails)
    with pytest.raises(ZeroDivisionError, match="not foreseen"):
        fetch(declared(server))
