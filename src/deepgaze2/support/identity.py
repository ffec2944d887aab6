"""What a model, a rival, a data set or a metric is, as a checksum of all that decides its numbers.

Values count by their content, wherever they lie and whatever they are called; code counts by its
source, so that numbers of an edited rival are not taken for those of the one before.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import numpy as np

_PACKAGE = Path(__file__).parents[1]
_IMPORT = re.compile(
    r"^[ \t]*(?:from (deepgaze2[\w.]*) import (\([^)]*\)|.*)|import (deepgaze2[\w.]*))",
    re.MULTILINE,
)
_DECIDES_NO_NUMBER = re.compile(r"deepgaze2\.(errors|support)\b")


def checksum(*values: object) -> str:
    """Return the SHA-256 of values, 64 hexadecimal digits.

    Parameters
    ----------
    values : object
        Text, numbers, bytes, None, arrays, and sequences, mappings and dataclasses of these.

    Raises
    ------
    TypeError
        If there is something else among them, whose content is not known.
    """
    digest = hashlib.sha256()
    for piece in _pieces(values):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: object) -> Iterator[bytes]:
    """Yield what tells a value from any other."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str} {value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, list | tuple):
        yield f"{len(value)} values".encode()
        for one in value:
            yield from _pieces(one)
    elif isinstance(value, Mapping):
        yield from _pieces([*value.items()])
    elif is_dataclass(value):
        yield from _pieces({field.name: getattr(value, field.name) for field in fields(value)})
    elif value is None or isinstance(value, str | bytes | int | float):
        yield repr(value).encode()
    else:
        raise TypeError(f"{type(value).__name__}: what it is cannot be told")


def file_state(path: Path | None) -> str:
    """Return what changes if a large file does, its size and time; nothing if it is not there."""
    if path is None or not path.is_file():
        return ""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


@cache
def code_version(*modules: str, stop: tuple[str, ...] = ()) -> str:
    """Return a checksum of the source of modules and of all of the package that they import.

    Parameters
    ----------
    modules : str
        Full names. What is imported when a function is called counts too; errors and what is in
        `support` do not.
    stop : tuple of str
        Modules that count themselves, but not for what they import.
    """
    waiting, found = list(modules), dict[str, bytes]()
    while waiting:
        name = waiting.pop()
        if name in found or _DECIDES_NO_NUMBER.match(name):
            continue
        path = _PACKAGE.joinpath(*name.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if not path.is_file():  # a function or a class of a module
            continue
        found[name] = path.read_bytes()
        if name not in stop:
            waiting += _imported(found[name].decode())
    return checksum(sorted(found.items()))


def _imported(source: str) -> Iterator[str]:
    """Yield the names of modules of the package that a module imports, and of what it takes."""
    for module, names, whole in _IMPORT.findall(source):
        yield whole or module
        for name in re.findall(r"\w+", names):
            yield f"{module}.{name}"
