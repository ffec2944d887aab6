"""Files: written whole or not at all, checked by their hash, cached where the user wants."""

import csv
import errno
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from deepgaze2.errors import OutputError

ASSETS = Path(__file__).parents[1] / "assets"
"""What is packaged: weights, models, center biases, photos."""

_CHUNK_BYTES = 1 << 20

# It can only be read by setting it, for all threads: once, while there is but one.
_UMASK = os.umask(0o022)
os.umask(_UMASK)


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends without an error.

    The temporary file lies in the target's folder (created if missing) and keeps its
    suffix, so writers that choose a format by suffix work. Of a link, what it points to is
    replaced.

    Raises
    ------
    OutputError
        If the folder cannot be created, or the file not written (full disk, no permission), or
        the path is a folder or device.
    """
    _refuse_what_is_no_file(path)
    temporary: Path | None = None
    try:
        path = path.resolve() if path.is_symlink() else path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)  # mkstemp makes files private
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path}: cannot be written ({reason}); free some space or choose another place"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _refuse_what_is_no_file(path: Path) -> None:
    """Refuse what a file would be put in place of: root may do that even to /dev/null."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # nothing is there, or making the folder tells what is wrong
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
        raise OutputError(f"{path}: is {what}; name a file to write")


def write_json(path: Path, values: Any) -> None:  # noqa: ANN401
    """Write JSON values.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with written_atomically(path) as temporary:
        text = json.dumps(values, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; None leaves a field empty.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with (
        written_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others, in this process or another, from entering a block about the same path.

    The lock is the file `<path>.lock`, which goes with the block, however that ends.

    Raises
    ------
    OutputError
        If another is in the block.
    OSError
        If the lock cannot be created.
    """
    with claimed(path) as ours:
        if not ours:
            raise OutputError(
                f"{path}: is being written by another process; wait until it is done and"
                " run this again"
            )
        yield


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Tell a block whether it is alone with a path, as `locked` does, and enter it either way.

    Raises
    ------
    OSError
        If the lock cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock")
    with lock.open("ab") as stream:
        ours = _lock(stream, lock)
        try:
            yield ours
        finally:
            if ours:
                with suppress(OSError):  # Windows refuses, and keeps an empty file
                    lock.unlink()


def _lock(stream: IO[bytes], lock: Path) -> bool:
    """Tell whether the lock is ours now; the system takes it back when the process ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            return True
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(stream.fileno()), lock.stat())  # else it was released
    except OSError as error:
        return error.errno in (errno.ENOLCK, errno.ENOTSUP)  # some network drives have no locks


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def cache_directory() -> Path:
    r"""Return the folder for downloads and caches.

    `DEEPGAZE2_CACHE` if set, else the platform's usual place
    (`~/.cache/deepgaze2`, `~/Library/Caches/deepgaze2`, `%LOCALAPPDATA%\deepgaze2`).
    """
    if chosen := os.environ.get("DEEPGAZE2_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "deepgaze2"
