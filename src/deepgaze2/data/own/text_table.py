"""Tables in text files (CSV), whatever program wrote them: read in batches, numbers checked."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import DOUBTS, Decision
from deepgaze2.data.own.text_file import Header, encoding_of, find_header, opened
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

if TYPE_CHECKING:
    from _csv import Reader

ROWS = 500
"""How many are read at a time: few enough for their cells to stay in the processor's cache."""
_BY_HAND_BYTES = 10_000
_ROW_NAMES = "<row>"
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", " ": "blanks"}
_ENCODINGS = {
    "utf-8-sig": ("UTF-8", "all bytes are valid"),
    "utf-16": ("UTF-16", "its byte order mark says so"),
    "utf-16-le": ("UTF-16", "every other byte is zero"),
    "utf-16-be": ("UTF-16", "every other byte is zero"),
    "cp1252": ("Windows-1252", "they are not valid UTF-8"),
}
_MISSING = {"", ".", "-", "na", "n/a", "nan", "null", "none"}
_PLAINLY_MISSING = _MISSING | {"NA", "N/A", "NULL", "None"}
_GROUPED = re.compile(r"\s*[-+]?[1-9]\d{0,2}(,\d{3})+\s*")


@dataclass(eq=False)
class TextTable:
    """A table in a text file.

    Attributes
    ----------
    path : Path
        The file.
    encoding : str
        How its characters are encoded.
    delimiter : str
        What separates cells.
    lines_before : int
        Lines before the one that names the columns.
    names : tuple of str
        The columns.
    notes : list of Decision
        What opening and reading decided.
    before : tuple of str
        The lines before the one that names the columns.
    """

    path: Path
    encoding: str
    delimiter: str
    lines_before: int
    names: tuple[str, ...]
    notes: list[Decision]
    before: tuple[str, ...]

    def batches(
        self, texts: Sequence[str], numbers: Sequence[str]
    ) -> Iterator[tuple[list[list[str]], list[NDArray[np.float64]]]]:
        """Yield some rows at a time: the cells of some columns, and others as numbers.

        A cell that is empty, `.`, `-`, `NA`, `N/A`, `NaN`, `null` or `None` is the number NaN.

        Raises
        ------
        DataError
            Naming the line, if it has cells too many or too few or holds no number where one
            is needed, or if commas may be decimal commas or separate thousands.
        """
        text_at = [self.names.index(name) for name in texts]
        columns = [_Numbers(self.names.index(name), name) for name in numbers]
        n_before = 0
        for rows in self._rows():
            cells = self._transposed(rows, n_before)
            try:
                parsed = [column.parse(cells[column.index], n_before) for column in columns]
            except _NumberError as error:
                raise self._error(error.row, error.reason) from error
            yield [list(map(str.strip, cells[index])) for index in text_at], parsed
            n_before += len(rows)
        pointed = any(column.any_point for column in columns)
        for column in columns:
            mixed = column.any_plain or pointed
            if column.all_grouped and mixed and column.comma_row is not None:
                raise self._error(
                    column.comma_row,
                    f"commas in column {column.name!r} may be decimal commas or separate"
                    " thousands; write decimal points and do not separate thousands",
                )
        if with_commas := [column.name for column in columns if column.comma_row is not None]:
            what = f"commas in {', '.join(with_commas)} are decimal commas"
            self.notes.append(Decision("file", what, "1,5 is read as 1.5"))

    def place(self, row: int) -> str:
        """Return the line of the file at which a row (from 0) ends."""
        with self._reader() as reader:
            rows = (reader.line_num for cells in reader if cells and cells != list(self.names))
            return f"line {self.lines_before + next(islice(rows, row, None))}"

    def _error(self, row: int, reason: str) -> DataError:
        return DataError(f"{printable(self.path)}, {self.place(row)}: {reason}")

    def _rows(self) -> Iterator[list[list[str]]]:
        names = list(self.names)
        with self._reader() as reader:
            while batch := list(islice(reader, ROWS)):
                # blank lines have no cells, and tables joined to one repeat the names
                if rows := [cells for cells in batch if cells and cells != names]:
                    yield rows

    @contextmanager
    def _reader(self) -> Iterator["Reader"]:
        """Open the file behind the column names."""
        with opened(self.path, self.encoding) as stream:
            for _ in range(self.lines_before):
                stream.readline()
            reader = csv.reader(stream, delimiter=self.delimiter, strict=True)
            try:
                next(reader)
                yield reader
            except csv.Error as error:
                raise DataError(
                    f"{printable(self.path)}, line {self.lines_before + reader.line_num}: {error};"
                    " look for a quotation mark without its partner"
                ) from error

    def _transposed(self, rows: list[list[str]], n_before: int) -> list[tuple[str, ...]]:
        for row, cells in enumerate(rows):
            if len(cells) != len(self.names):
                raise self._error(
                    n_before + row,
                    f"{len(cells)} cells, but there are {len(self.names)} columns; where numbers"
                    " have decimal commas, separate cells by semicolons or tabs; where there are"
                    " several tables, keep that of fixations",
                )
        return list(zip(*rows, strict=True))


def open_text_table(path: Path) -> TextTable:
    """Find out how a text file holds its table, and read the names of its columns.

    Cells are separated by commas, semicolons or tabs, whichever gives most columns. Encodings
    are UTF-8 and UTF-16 with or without a byte order mark; what is neither is Windows-1252.
    Comments and other lines may precede the names.

    Raises
    ------
    DataError
        If the file cannot be read or no line names columns.
    """
    encoding = encoding_of(path)
    header = find_header(path, encoding)
    names, notes = header.names, _decided(encoding, header)
    if header.row_names:
        names = (_ROW_NAMES, *names)
        why = "they have a cell more than there are columns, and it counts from 1"
        notes.append(Decision("file", "rows begin with a name, as R writes them", why))
    if _may_be_cut_off(path):
        looks = "it does not end, as if the file were cut off"
        notes.append(Decision(DOUBTS, f"look again at the last line of {path.name}", looks))
    return TextTable(
        path, encoding, header.delimiter, header.lines_before, names, notes, header.before
    )


def _may_be_cut_off(path: Path) -> bool:
    """Tell whether a file does not end in a line end; small ones may be written by hand."""
    if path.suffix.lower() == ".gz" or path.stat().st_size < _BY_HAND_BYTES:
        return False
    with path.open("rb") as stream:
        stream.seek(-4, os.SEEK_END)
        return not set(stream.read()) & set(b"\r\n")


class _NumberError(ValueError):
    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        self.reason = reason


@dataclass
class _Numbers:
    """A column of numbers, with what is known of its decimal signs from the rows so far."""

    index: int
    name: str
    any_point: bool = False
    comma_row: int | None = None  # the first row with a comma
    all_grouped: bool = True  # all cells with commas look like 1,234
    any_plain: bool = False  # some have no comma

    def parse(self, cells: Sequence[str], n_before: int) -> NDArray[np.float64]:
        text = "".join(cells)
        if not text:  # often for a whole column, which would take long cell by cell
            return np.full(len(cells), np.nan)
        pointed = cells
        if "," in text or (self.comma_row is not None):
            pointed = self._with_points(cells, n_before)
        else:
            self.any_plain = self.any_plain or re.search(r"\d", text) is not None
            if "." in text and not self.any_point:
                self.any_point = any("." in cell.strip(" .") for cell in cells)
        if "_" not in text:  # which float() would skip
            with suppress(ValueError):
                return _floats(pointed)
        return np.array([self._number(cell, n_before + row) for row, cell in enumerate(cells)])

    def _with_points(self, cells: Sequence[str], n_before: int) -> list[str]:
        for row, cell in enumerate(cells, n_before):
            if "," in cell:
                self.comma_row = row if self.comma_row is None else self.comma_row
                self.all_grouped &= _GROUPED.fullmatch(cell) is not None
            elif cell.strip().casefold() not in _MISSING:
                self.any_plain = True
            self.any_point |= "." in cell.strip(" .")
            if self.any_point and self.comma_row is not None:
                raise _NumberError(
                    row, f"column {self.name!r} has decimal commas and points; write points only"
                )
        return [cell.replace(",", ".") for cell in cells]

    def _number(self, cell: str, row: int) -> float:
        if cell.strip().casefold() in _MISSING:
            return np.nan
        pointed = cell.replace(",", ".")
        if "_" in pointed or not _is_float(pointed):
            raise _NumberError(
                row,
                f"{cell!r} in column {self.name!r} is not a number; correct it, or state"
                " another column, --column ROLE=NAME or ROLE=none",
            )
        return float(pointed)


def _floats(cells: Sequence[str]) -> NDArray[np.float64]:
    """Parse cells that are numbers or plainly missing; a ValueError if one is not."""
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:  # telling them apart first would take longer where all are numbers
        known = ["nan" if cell in _PLAINLY_MISSING else cell for cell in cells]
        return np.fromiter(map(float, known), np.float64, len(cells))


def _is_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _decided(encoding: str, header: Header) -> list[Decision]:
    name, why = _ENCODINGS[encoding]
    characters = Decision("file", f"characters are {name}", why, guessed=encoding == "cp1252")
    separator = _SEPARATORS.get(header.delimiter, repr(header.delimiter))
    line = f"line {header.lines_before + 1} names {len(header.names)} columns"
    first = "it is the first" if header.lines_before == 0 else "it is the first that names x and y"
    columns = Decision("file", f"{line}, separated by {separator}", first, guessed=False)
    return [characters, columns]
