"""Tables in workbooks of Excel and LibreOffice, read through python-calamine, which is optional."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.columns import names_positions
from deepgaze2.data.own.text_table import ROWS, TextTable
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

Cell = str | float | bool | datetime | date | time | timedelta
_SEARCHED_ROWS = 200
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(eq=False)
class WorkbookTable(TextTable):
    """The table in a workbook's sheet: its cells as text, read as those of text files are.

    Attributes
    ----------
    rows : list of list of str
        Those below the names that are not empty.
    numbers : list of int
        The number of each in the sheet, as the program shows it.
    sheet : str
        What the sheet is called.
    """

    rows: list[list[str]]
    numbers: list[int]
    sheet: str

    def place(self, row: int) -> str:
        """Return what a row (from 0) is called in messages."""
        return f"sheet {self.sheet!r}, row {self.numbers[row]}"

    def _rows(self) -> Iterator[list[list[str]]]:
        for first in range(0, len(self.rows), ROWS):
            yield self.rows[first : first + ROWS]


def is_workbook(path: Path) -> bool:
    """Tell whether a file is a workbook, whatever its suffix: exports called .xls may be text."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) in _WORKBOOKS
    except OSError:
        return False  # which reading it as text says


def open_workbook(path: Path) -> WorkbookTable:
    """Read the table of a workbook: the only sheet, or the only one whose columns are x and y.

    Raises
    ------
    DataError
        If python-calamine is not installed, the workbook is damaged or empty, or several sheets
        may be meant.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise DataError(
            f'{printable(path)}: reading workbooks needs python-calamine; pip install "deepgaze2'
            '[excel]", or save the table as CSV'
        ) from error
    try:
        with CalamineWorkbook.from_path(path) as workbook:
            cells = {
                name: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
                for name in workbook.sheet_names
            }
    except (CalamineError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{printable(path)}: not a readable workbook ({reason}); save the table as CSV"
        ) from error
    sheets = {name: [list(map(_text, row)) for row in rows] for name, rows in cells.items()}
    return _table(path, sheets)


def _table(path: Path, sheets: dict[str, list[list[str]]]) -> WorkbookTable:
    filled = {name: rows for name, rows in sheets.items() if any(map(any, rows))}
    if not filled:
        raise DataError(f"{printable(path)}: is empty; export it again")
    headers = {name: _header(rows) for name, rows in filled.items()}
    chosen = list(filled) if len(filled) == 1 else [n for n, i in headers.items() if i is not None]
    if len(chosen) != 1:
        which = "several have" if chosen else "none of them has"
        raise DataError(
            f"{printable(path)}: has the sheets {', '.join(map(repr, filled))}, and {which} columns"
            " of x and y; save the one that is meant as CSV, or delete the others"
        )
    (name,) = chosen
    rows, at = filled[name], headers[name]
    if at is None:
        at = next(i for i, row in enumerate(rows) if any(row))
    width = max(i + 1 for i, cell in enumerate(rows[at]) if cell)
    body = [(i + 1, row) for i, row in enumerate(rows) if i > at and any(row)]
    for number, row in body:
        if any(row[width:]):
            raise DataError(
                f"{printable(path)}, sheet {name!r}, row {number}: has cells to the right of the"
                f" {width} columns that row {at + 1} names; name these columns, too"
            )
    why = "it is the only one" if len(filled) == 1 else "it alone has columns of x and y"
    first = f"row {at + 1} names {width} columns"
    return WorkbookTable(
        path,
        encoding="",
        delimiter="",
        lines_before=at,
        names=tuple(rows[at][:width]),
        notes=[
            Decision("file", f"the sheet {name!r} is read", why, guessed=len(filled) > 1),
            Decision("file", first, "it is the first with columns of x and y", guessed=False),
        ],
        before=tuple("\t".join(filter(None, row)) for row in rows[:at]),
        rows=[row[:width] for _, row in body],
        numbers=[number for number, _ in body],
        sheet=name,
    )


def _header(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the first row that names columns of x and y."""
    searched = enumerate(rows[:_SEARCHED_ROWS])
    return next((i for i, row in searched if names_positions([c for c in row if c])), None)


def _text(cell: Cell) -> str:
    """Return a cell as a text file would have it; whole numbers without a point."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, date | datetime | time):
        return cell.isoformat()
    return " ".join(str(cell).split())
