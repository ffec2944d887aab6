"""Downloads that go on where they stopped, and are verified before they take their name."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from deepgaze2.errors import DownloadError
from deepgaze2.support.files import locked
from deepgaze2.support.progress import Progress

if TYPE_CHECKING:
    import requests

_CHUNK_BYTES = 1 << 16
_PAUSES_S = (1.0, 2.0, 4.0)  # between attempts that bring no byte
_RETRIED_STATUSES = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes
    ----------
    url
        Where it is.
    checksum
        What its publisher declares: `sha256:<hex>` or `md5:<hex>`; a SHA-256 may be the first
        digits only. None if nothing is declared.
    size_bytes
        Its size, None if unknown.
    """

    url: str
    checksum: str | None = None
    size_bytes: int | None = None


class _TransferError(Exception):
    """An attempt failed; another may go on."""


class _RefusedError(Exception):
    """The server will not send the file, however often it is asked."""


def download(
    file: RemoteFile, target: Path, *, stall_s: float = 30.0, stop: Event | None = None
) -> Path:
    """Fetch a file to `target`, with progress on stderr; do nothing if it is there already.

    What has come lies in `<target>.part` until it is whole and verified. An interrupted download
    (Ctrl-C included) goes on from there at the next call, if the server can tell that
    its file is the same or a checksum will.

    Parameters
    ----------
    file
        What to fetch.
    target
        Where to put it; its folder is created.
    stall_s
        Seconds without a byte after which an attempt is given up.
    stop
        Set by another thread, it interrupts the download.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    DownloadError
        If the server cannot be reached, refuses, sends a web page instead of the file, or
        sends other bytes than declared; if the file cannot be written; or if `stop` is set.
    OutputError
        If another process is fetching this file.
    """
    stop = stop or Event()
    part = target.with_name(f"{target.name}.part")
    try:
        if target.is_file() and mismatch(file, target) is None:
            return target
        with locked(target):
            _fetch_with_retries(file, part, target, stall_s, stop)
            problem = mismatch(file, part)
            _validator_path(part).unlink(missing_ok=True)
            if problem:
                part.unlink()
                raise DownloadError(
                    f"{file.url}: the file that came is not the one declared ({problem}); "
                    "try again, or report that it has changed"
                )
            part.replace(target)
    except OSError as error:
        raise DownloadError(
            f"{target}: cannot be written ({error.strerror or error}); "
            "free some space or choose another place"
        ) from error
    return target


def mismatch(file: RemoteFile, path: Path) -> str | None:
    """Return how the file at `path` differs from what is declared, None if it does not."""
    size_bytes = path.stat().st_size
    if file.size_bytes not in (None, size_bytes):
        return f"{size_bytes} bytes, not {file.size_bytes}"
    if file.checksum is None:
        return None
    algorithm, expected = file.checksum.split(":")
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, algorithm).hexdigest()
    return None if actual.startswith(expected) else f"{algorithm} {actual}, not {expected}"


def _fetch_with_retries(
    file: RemoteFile, part: Path, target: Path, stall_s: float, stop: Event
) -> None:
    pauses = list(_PAUSES_S)
    while not stop.is_set():
        before = _size_bytes(part)
        try:
            return _fetch(file, part, stall_s, stop)
        except _TransferError as error:
            if _size_bytes(part) > before:
                pauses = list(_PAUSES_S)  # it is slow going, but it goes
            if not pauses:
                raise DownloadError(
                    f"{file.url}: cannot be fetched ({error}); check the connection and run this "
                    f"again to go on, or get the file elsewhere and {_save_as(file, target)}"
                ) from error
            stop.wait(pauses.pop(0))
        except _RefusedError as error:
            raise DownloadError(
                f"{file.url}: {error}; get the file with a browser or elsewhere and "
                f"{_save_as(file, target)}"
            ) from error
    raise DownloadError(f"{file.url}: interrupted; run this again to go on")


def _save_as(file: RemoteFile, target: Path) -> str:
    problem = mismatch(file, target) if target.is_file() else None
    return f"save it as {target}" + (
        f", where another file lies now ({problem})" if problem else ""
    )


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _validator_path(part: Path) -> Path:
    """Where the server's version of the partial file (its ETag or date) is kept."""
    return part.with_name(f"{part.name}.version")


def _fetch(file: RemoteFile, part: Path, stall_s: float, stop: Event) -> None:
    """Make one attempt to complete the partial file."""
    import requests

    try:
        with requests.get(
            file.url, headers=_request_headers(file, part), stream=True, timeout=stall_s
        ) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                if _total_bytes(response) == _size_bytes(part):
                    return
                part.unlink()
                raise _TransferError("the server's file has changed")
            _refuse_bad_answer(response)
            _receive(response, file, part, stop)
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise _TransferError(_reason(error)) from error
    except requests.RequestException as error:
        raise _RefusedError(f"cannot be fetched ({_reason(error)})") from error


def _request_headers(file: RemoteFile, part: Path) -> dict[str, str]:
    """Ask for the rest if there is a part, and something that tells whether it still fits."""
    headers = {"Accept-Encoding": "identity"}
    version = _validator_path(part)
    validator = version.read_text() if version.is_file() else ""
    if _size_bytes(part) and (validator or file.checksum):
        headers["Range"] = f"bytes={_size_bytes(part)}-"
        if validator:
            headers["If-Range"] = validator
    return headers


def _refuse_bad_answer(response: "requests.Response") -> None:
    status = f"{response.status_code} {response.reason}"
    if response.status_code in _RETRIED_STATUSES:
        raise _TransferError(f"the server answers {status}")
    if not response.ok:
        raise _RefusedError(f"the server answers {status}, as if the file has moved")
    if "text/html" in response.headers.get("Content-Type", ""):
        raise _RefusedError(
            "a web page came instead of the file (a login page of this network, or one that asks"
            " for a click?)"
        )


def _receive(response: "requests.Response", file: RemoteFile, part: Path, stop: Event) -> None:
    """Append the answer's bytes to the partial file, or start it over if they are the whole."""
    start_bytes = _size_bytes(part)
    if response.status_code != 206:
        start_bytes = 0
        etag = response.headers.get("ETag", "")
        strong = "" if etag.startswith("W/") else etag
        _validator_path(part).write_text(strong or response.headers.get("Last-Modified", ""))
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {start_bytes}-"):
        part.unlink()
        raise _TransferError("the server sent another range than asked for")
    total_bytes = _total_bytes(response) or file.size_bytes
    with (
        part.open("ab" if start_bytes else "wb") as stream,
        Progress(part.stem, total_bytes, "B", initial=start_bytes) as progress,
    ):
        for chunk in response.iter_content(_CHUNK_BYTES):
            stream.write(chunk)
            progress.update(len(chunk))
            if stop.is_set():
                raise _TransferError("interrupted")
    if _size_bytes(part) < (total_bytes or 0):
        raise _TransferError(f"{_size_bytes(part)} of {total_bytes} bytes came")


def _total_bytes(response: "requests.Response") -> int | None:
    """Return the whole file's size, if the server tells."""
    if match := re.search(r"/(\d+)$", response.headers.get("Content-Range", "")):
        return int(match[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None


def _reason(error: Exception) -> str:
    """Return the innermost cause of a connection error in one line."""
    import requests

    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return "no answer in time"
    cause: BaseException = error
    while cause.args and isinstance(cause.args[-1], BaseException):
        cause = cause.args[-1]
    cause = getattr(cause, "reason", cause)
    return " ".join(str(cause).split())[:200]
