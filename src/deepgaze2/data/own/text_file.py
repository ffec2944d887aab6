"""Text files as programs write them: any encoding, compressed or not, lines before the header."""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, TextIO, cast

from deepgaze2.data.own.columns import names_positions
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

_DELIMITERS = "\t;,"  # numbers may have decimal commas in files with the first two
_CHUNK = 1 << 20
_SEARCHED_LINES = 200


@dataclass(frozen=True)
class Header:
    """The line that names the columns.

    Attributes
    ----------
    lines_before : int
        Lines before it.
    delimiter : str
        What separates cells.
    names : tuple of str
        The columns.
    row_names : bool
        Whether rows begin with a cell more, as R writes their names.
    before : tuple of str
        The lines before it.
    """

    lines_before: int
    delimiter: str
    names: tuple[str, ...]
    row_names: bool
    before: tuple[str, ...] = ()


def opened(path: Path, encoding: str) -> TextIO:
    """Open a text file, which may be compressed by gzip, with its line ends as they are."""
    return cast("TextIO", _open(path)(path, "rt", encoding=encoding, newline=""))


def encoding_of(path: Path) -> str:
    """Return how a file is encoded: UTF-8, UTF-16 or else Windows-1252.

    Raises
    ------
    DataError
        If it cannot be read or is no text.
    """
    try:
        with _open(path)(path, "rb") as stream:
            start = stream.read(_CHUNK)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if b"\0" in start[:2]:
            return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
        try:
            _decode("utf-8-sig", path)
        except UnicodeError:
            _decode("cp1252", path)
            return "cp1252"
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{printable(path)}: cannot be read ({reason}); check its name") from error
    except UnicodeError as error:
        raise DataError(
            f"{printable(path)}: is not a text file; save the table as CSV in UTF-8"
        ) from error
    return "utf-8-sig"


def find_header(path: Path, encoding: str) -> Header:
    """Find the line that names the columns: the first, or the first that names x and y.

    Raises
    ------
    DataError
        If there is none.
    """
    label = printable(path)
    try:
        with opened(path, encoding) as stream:
            lines = list(islice(stream, _SEARCHED_LINES))
    except UnicodeError as error:
        raise DataError(f"{label}: is not a text file; save the table as CSV in UTF-8") from error
    delimiters, written = _DELIMITERS, list[tuple[int, str]]()
    for i, line in enumerate(lines):
        if line.strip() and not written and (separator := _separator(line)):
            delimiters = separator
        elif line.strip():
            written.append((i, line))
    if not written:
        raise DataError(f"{label}: is empty; export it again")
    at = _header_index([line for _, line in written], delimiters)
    index, line = written[at]
    headers = _splits(line, delimiters)
    if max(map(len, headers.values()), default=0) < 2 and names_positions(
        line.replace('"', " ").split()
    ):
        headers = _splits(line, " ")  # R's write.table
    if not headers:
        raise DataError(
            f"{label}, line {index + 1}: a quotation mark lacks its partner; this line must"
            " name the columns"
        )
    delimiter = max(headers, key=lambda d: len(headers[d]))
    names = tuple(name.strip() for name in headers[delimiter])
    first = _splits(written[at + 1][1], delimiter) if at + 1 < len(written) else {}
    cells = first.get(delimiter, [])
    row_names = len(cells) == len(names) + 1 > 2 and bool(cells[-1].strip())
    row_names = row_names and _are_row_names(cells[0], names)
    return Header(index, delimiter, names, row_names, tuple(lines[:index]))


def _are_row_names(cell: str, names: Sequence[str]) -> bool:
    """Tell whether a row's first cell is a name that R gives: it counts from 1."""
    return cell.strip() == "1" and names_positions(names)


def _header_index(lines: Sequence[str], delimiters: str) -> int:
    """Return the header among lines that are not blank."""

    def n_cells(line: str) -> int:
        return max((len(cells) for cells in _splits(line, delimiters).values()), default=0)

    def names_columns(line: str) -> bool:
        return any(map(names_positions, _splits(line, delimiters).values()))

    first = 0
    while first + 1 < len(lines) and lines[first].startswith("#"):
        below = lines[first + 1]
        is_comment = below.startswith("#") or names_columns(below)
        if not is_comment and n_cells(lines[first]) == n_cells(below) > 1:
            break  # a column whose name is #
        first += 1
    for i, line in enumerate(lines[first:], first):
        if names_columns(line):
            return i if n_cells(line) != n_cells(lines[first]) else first
    return first


def _splits(line: str, delimiters: str) -> dict[str, list[str]]:
    """Return a line's cells for each delimiter at which it can be split."""
    found = {}
    for delimiter in delimiters:
        with suppress(csv.Error, StopIteration):  # "x";"y" cannot be split at commas
            found[delimiter] = next(csv.reader([line], delimiter=delimiter, strict=True))
    return found


def _separator(line: str) -> str | None:
    """Return what a first line like `sep=;`, which Excel writes, says."""
    match = re.fullmatch(r'"?sep=(.)"?\s*', line)
    return match[1] if match else None


def _open(path: Path) -> Callable[..., IO[Any]]:
    return gzip.open if path.suffix.lower() == ".gz" else open


def _decode(encoding: str, path: Path) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    with _open(path)(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            if b"\0" in chunk:
                raise UnicodeError("zero bytes")
            decoder.decode(chunk)
    decoder.decode(b"", final=True)
