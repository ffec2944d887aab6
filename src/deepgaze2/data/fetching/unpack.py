"""Archives from the network, unpacked without trusting them."""

import lzma
import re
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from deepgaze2.errors import DataError, OutputError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import Progress

MAX_BYTES = 200_000_000_000
"""What an archive may unpack to; the largest set of the field has 20 GB."""

MAX_RATIO = 200
"""How many times its size an archive may unpack to, beyond 100 MB; deflate can reach 1000."""

MAX_FILES = 1_000_000
"""How many files an archive may hold, for empty ones fill a disk too; SALICON has 60 000."""

_UNSUSPICIOUS_BYTES = 100_000_000
_CHUNK_BYTES = 1 << 20
_LITTER = {".svn", "__MACOSX", ".DS_Store", "Thumbs.db"}
_DAMAGE = (
    BadZipFile,
    tarfile.TarError,
    EOFError,
    OSError,
    RuntimeError,  # encrypted zip
    NotImplementedError,  # a compression that Python lacks
    UnicodeError,
    zlib.error,
    lzma.LZMAError,
)


def unpack(archive: Path, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
    """Unpack a zip or tar archive into a folder, which is created if missing.

    What version control and file managers leave behind (`.svn`, `__MACOSX`, `.DS_Store`,
    `Thumbs.db`, `._*`) is skipped. Backslashes count as slashes. After an error the folder holds
    what had been unpacked; `folder_when_whole` takes care of that.

    Parameters
    ----------
    archive
        A .zip or .tar, the latter also compressed by gzip, bzip2 or xz; told by its content.
    folder
        Where to unpack; files that are there already are not overwritten but an error.
    max_bytes
        Archives that unpack to more are refused.

    Raises
    ------
    DataError
        If the archive is damaged, holds a path outside the folder, a link, a device, a file
        twice or more than `MAX_FILES`, or unpacks to more than `max_bytes` or `MAX_RATIO` times
        its size.
    OutputError
        If a file cannot be written.
    """
    label = printable(archive)
    size_bytes = _size_bytes(archive, label)
    allowed_bytes = min(max_bytes, max(_UNSUSPICIOUS_BYTES, MAX_RATIO * size_bytes))
    try:
        with (
            archive.open("rb") as stream,
            Progress(f"unpacking {archive.name}", size_bytes, "B") as progress,
        ):
            for read_bytes in _unpacked(stream, folder, label, allowed_bytes):
                progress.update(read_bytes - progress.done)
            progress.update(size_bytes - progress.done)
    except FileExistsError as error:
        raise DataError(
            f"{label}: {printable(error.filename)} would be written twice; get it and unpack it"
            " by hand"
        ) from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise OutputError(
                f"{printable(error.filename or folder)}: cannot be written ({error.strerror});"
                " free some space or choose another place"
            ) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{label}: damaged or incomplete ({reason}); fetch it again") from error


@contextmanager
def folder_when_whole(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `target` when the block ends without an error.

    Raises
    ------
    OutputError
        If `target` exists and is not an empty folder, or cannot be written.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        whole = temporary / "whole"  # mkdtemp makes folders private, mkdir does not
        whole.mkdir()
        yield whole
        if target.exists():
            target.rmdir()
        whole.rename(target)
    except OSError as error:
        raise OutputError(
            f"{printable(target)}: cannot be written ({error.strerror or error});"
            " free some space or choose another place"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _size_bytes(archive: Path, label: str) -> int:
    try:
        return archive.stat().st_size
    except OSError as error:
        raise DataError(f"{label}: cannot be read ({error.strerror}); check the path") from error


def _unpacked(stream: IO[bytes], folder: Path, label: str, allowed_bytes: int) -> Iterator[int]:
    """Unpack piece by piece, and yield how much of the archive has been read, in bytes."""
    n_bytes = 0
    for number, (name, content) in enumerate(_entries(stream, label)):
        if number >= MAX_FILES:
            raise DataError(f"{label}: holds more than {MAX_FILES} files; do not use it")
        if (target := _target(name, folder, label)) is None:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while chunk := content.read(_CHUNK_BYTES):
                n_bytes += len(chunk)
                if n_bytes > allowed_bytes:
                    raise DataError(
                        f"{label}: unpacks to more than {allowed_bytes / 1e6:.0f} MB,"
                        " which no data set of its size does; do not use it"
                    )
                out.write(chunk)
                yield stream.tell()


def _entries(stream: IO[bytes], label: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the archive's files in its order; a link or device is an error."""
    start = stream.read(512)
    stream.seek(0)
    if start.startswith(b"PK"):
        yield from _zip_entries(stream, label)
        return
    if re.match(rb"\s*<(!doctype|html)", start, re.IGNORECASE):
        raise DataError(
            f"{label}: is a web page, not an archive; open its address in a browser,"
            " get the file that the page offers and save it here"
        )
    yield from _tar_entries(stream, label)


def _zip_entries(stream: IO[bytes], label: str) -> Iterator[tuple[str, IO[bytes]]]:
    with ZipFile(stream) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unwanted(label, info.filename)
            if not info.filename.endswith(("/", "\\")):
                with archive.open(info) as content:
                    yield _zip_name(info), content


def _zip_name(info: ZipInfo) -> str:
    """Return the file's name, which is UTF-8 more often than the archive says so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _tar_entries(stream: IO[bytes], label: str) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=stream) as archive:
        for member in archive:
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise _unwanted(label, member.name)
            yield member.name, content
        # tarfile takes a cut between two files, or a damaged header, for the archive's end
        rest = archive.fileobj
        rest.seek(archive.offset)
        if rest.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("its end is missing")
        while rest.read(_CHUNK_BYTES):  # the compression's checksum comes last
            pass


def _unwanted(label: str, name: str) -> DataError:
    return DataError(
        f"{label}: {printable(name)} is a link or device, which could lead anywhere;"
        " get the archive and unpack it by hand if you trust it"
    )


def _target(name: str, folder: Path, label: str) -> Path | None:
    """Return where an entry belongs, None if it is litter."""
    path = PureWindowsPath(name)  # splits at both slashes, and knows drives on every system
    if path.anchor or ".." in path.parts or "\0" in name or not path.parts:
        raise DataError(
            f"{label}: {printable(name)!r} would lie outside the folder; do not use this archive"
        )
    if any(part in _LITTER or part.startswith("._") for part in path.parts):
        return None
    return folder.joinpath(*path.parts)
