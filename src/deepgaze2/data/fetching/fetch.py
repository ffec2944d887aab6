"""Published data sets, fetched whole and verified into a folder that the readers understand."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Semaphore, Thread

from deepgaze2.data.fetching.unpack import folder_when_whole, unpack
from deepgaze2.data.published.declared import Declaration, DeclaredFile
from deepgaze2.errors import DataError, DownloadError, OutputError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.download import download, mismatch
from deepgaze2.support.files import cache_directory, locked

_STAMP = ".deepgaze2"
"""This file in a fetched data set's folder names what it was made from."""

_AT_ONCE = 3


def dataset_directory(name: str) -> Path:
    """Return where a data set is fetched to unless the user chooses another folder."""
    return cache_directory() / "datasets" / name


def is_fetched(declaration: Declaration, folder: Path) -> bool:
    """Tell whether a folder holds the data set as it is declared today."""
    try:
        return (folder / _STAMP).read_text(encoding="utf-8") == _contents(declaration)
    except (OSError, UnicodeError):
        return False


def fetch(declaration: Declaration, folder: Path | None = None) -> Path:
    """Download a data set's files, verify and unpack them; do nothing if they are there.

    Files come in parallel, with progress on stderr, into `<folder>.downloads`, where an
    interrupted download (Ctrl-C included) goes on at the next call. Files that no program can
    get belong there too. The folder appears when all is unpacked.

    Parameters
    ----------
    declaration
        Which data set, from `declared_datasets()`.
    folder
        Where to put it; by default `dataset_directory(declaration.name)`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If the folder holds something else, a file must be got by hand, is not the one
        declared, or is no sound archive.
    DownloadError
        If a file cannot be fetched or is not the one declared.
    OutputError
        If the folder cannot be read or written, or another process is fetching into it.
    """
    target = (folder or dataset_directory(declaration.name)).absolute()
    try:
        if not is_fetched(declaration, target):
            _fetch(declaration, target)
    except OSError as error:
        raise OutputError(
            f"{printable(error.filename or target)}: cannot be used ({error.strerror or error});"
            " check its permissions or choose another place"
        ) from error
    return target


def _fetch(declaration: Declaration, target: Path) -> None:
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise DataError(
            f"{target}: holds something else; name another folder, or if it is {declaration.title}"
            f" already, use it as {declaration.name}:{target}"
        )
    downloads = target.with_name(f"{target.name}.downloads")
    _require_by_hand(declaration, downloads)
    automatic = [file for file in declaration.files if file.automatic]
    with locked(target):
        _download_all(automatic, downloads)
        with folder_when_whole(target) as whole:
            for file in declaration.files:
                _place(file, downloads / file.filename, whole)
            (whole / _STAMP).write_text(_contents(declaration), encoding="utf-8")
        for file in automatic:  # what the user got by hand is the user's
            (downloads / file.filename).unlink()
        if not any(downloads.iterdir()):
            downloads.rmdir()


def _contents(declaration: Declaration) -> str:
    return "".join(
        f"{file.filename} {file.remote.checksum or file.remote.url}\n" for file in declaration.files
    )


def _require_by_hand(declaration: Declaration, downloads: Path) -> None:
    """Refuse if files that no program can get are missing or others than declared."""
    by_hand = [file for file in declaration.files if not file.automatic]
    missing = [file for file in by_hand if not (downloads / file.filename).is_file()]
    if missing:
        what = ", ".join(f"{file.filename} from {file.remote.url}" for file in missing)
        raise DataError(
            f"{declaration.title}: cannot be fetched by a program; get {what},"
            f" put it into {downloads} and run this again"
        )
    for file in by_hand:
        if problem := mismatch(file.remote, downloads / file.filename):
            raise DataError(
                f"{downloads / file.filename}: not the file declared ({problem});"
                f" get it again from {file.remote.url}"
            )


def _download_all(files: Sequence[DeclaredFile], downloads: Path) -> None:
    """Download files, a few at a time; Ctrl-C keeps what has come."""
    slots, stop = Semaphore(_AT_ONCE), Event()
    failed: list[Exception] = []

    def work(file: DeclaredFile) -> None:
        with slots:
            try:
                download(file.remote, downloads / file.filename, stop=stop)
            except Exception as error:  # a thread's errors would be lost
                failed.append(error)

    # daemons, so that Ctrl-C need not wait for a server that sends nothing
    threads = [Thread(target=work, args=(file,), daemon=True) for file in files]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join(timeout=0.5)
        raise
    for error in failed:
        if not isinstance(error, DownloadError):
            raise error
    if failed:
        raise DownloadError("; ".join(str(error) for error in failed))


def _place(file: DeclaredFile, source: Path, folder: Path) -> None:
    """Unpack an archive, or copy another file, to where the declaration says."""
    if not file.unpack:
        (folder / file.folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / file.folder)
        return
    try:
        unpack(source, folder / file.folder)
    except DataError:
        if file.automatic:  # else the same bytes would be found again
            source.unlink()
        raise
