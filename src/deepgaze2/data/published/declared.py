"""The published data sets: where they come from, under which terms, and what they should hold.

Each is a file in `assets/datasets`, named after the set; reading it takes one more function.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from deepgaze2.errors import DataError
from deepgaze2.support.download import RemoteFile
from deepgaze2.support.files import ASSETS


@dataclass(frozen=True)
class DeclaredFile:
    """A file that a data set is made from.

    Attributes
    ----------
    remote : RemoteFile
        Where it is, and its checksum; the page that offers it if it is not `automatic`.
    filename : str
        What it is called.
    unpack : bool
        Whether it is an archive.
    folder : str
        Where its content belongs in the data set's folder.
    automatic : bool
        Whether a program can fetch it.
    """

    remote: RemoteFile
    filename: str
    unpack: bool
    folder: str = "."
    automatic: bool = True


@dataclass(frozen=True)
class Expected:
    """What the reader returns for the whole set; None where it is not known.

    Attributes
    ----------
    images, subjects, fixations : int or None
        Their number.
    mean_x, mean_y : float or None
        Mean position of the fixations in pixels.
    """

    images: int | None = None
    subjects: int | None = None
    fixations: int | None = None
    mean_x: float | None = None
    mean_y: float | None = None


@dataclass(frozen=True)
class Declaration:
    """A published data set.

    Attributes
    ----------
    name, title : str
        What users type, and what the set is called.
    files : tuple of DeclaredFile
        What to fetch.
    citation, licence, page : str
        Whom to cite, the terms of use, and the address that describes the set.
    reader : str
        Module in `deepgaze2.data` and function in it, with a dot between.
    options : mapping
        Keyword arguments for that function.
    root : str
        The folder that the reader wants, as it lies in the unpacked archives.
    drop_first : bool
        Whether each scanpath begins with a fixation at the fixation cross.
    mouse_samples : bool
        Whether the reader returns the samples of a mouse, to derive pseudo-fixations from.
    pixels_per_degree, viewing_s : float or None
        Pixels per degree of visual angle, and for how long an image was shown; None if unknown.
    expect : Expected
        What the reader returns for the whole set.
    """

    name: str
    title: str
    files: tuple[DeclaredFile, ...] = ()
    citation: str = ""
    licence: str = ""
    page: str = ""
    reader: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    root: str = "."
    drop_first: bool = True
    mouse_samples: bool = False
    pixels_per_degree: float | None = None
    viewing_s: float | None = None
    expect: Expected = Expected()


def declared_datasets() -> dict[str, Declaration]:
    """Return the published data sets by name, in alphabetical order."""
    folder = ASSETS / "datasets"
    texts = {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
    }
    return {name: _declaration(name, text) for name, text in sorted(texts.items())}


def declared_dataset(name: str) -> Declaration:
    """Return the published data set of this name.

    Raises
    ------
    DataError
        If there is none; it suggests the nearest name.
    """
    declared = declared_datasets()
    if name not in declared:
        raise DataError(f"no data set is called {name!r}; {suggestion(name, declared)}")
    return declared[name]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the advice to use the nearest of the known names, or any."""
    names = list(known)
    nearest = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"use one of {', '.join(names)}"


def _declaration(name: str, text: str) -> Declaration:
    content = tomllib.loads(text)
    content["files"] = tuple(_file(**entry) for entry in content["files"])
    content["expect"] = Expected(**content["expect"])
    return Declaration(name=name, **content)


def _file(
    url: str,
    filename: str | None = None,
    checksum: str | None = None,
    size_bytes: int | None = None,
    **placing: Any,  # noqa: ANN401, DeclaredFile checks their names
) -> DeclaredFile:
    filename = filename or PurePosixPath(url).name
    remote = RemoteFile(url, checksum, size_bytes)
    return DeclaredFile(remote, filename, filename.endswith(".zip"), **placing)
