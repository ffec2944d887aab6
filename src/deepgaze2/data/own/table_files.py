"""Which files hold the table of fixations: one, or one for each participant."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import STATED, Decision, of_files
from deepgaze2.data.own.asc_table import ASC_SUFFIXES, AscTable
from deepgaze2.data.own.parquet_table import ParquetTable, open_parquet_table
from deepgaze2.data.own.preamble import told_before
from deepgaze2.data.own.stimulus_list import STIMULI_FILE
from deepgaze2.data.own.text_table import TextTable, open_text_table
from deepgaze2.data.own.workbook import is_workbook, open_workbook
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

FIXATIONS_FILE = "fixations.csv"
EXPORT = "<export>"
"""The column of `JoinedTables` that says which file a row is from, without its suffix."""
OF_FILE = {"subject": "<subject of the file>", "image": "<image of the file>"}
"""Its columns for what lines before the names of columns say of each file; by meaning."""

_LISTED = 5
_SUFFIXES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
_OTHER_SUFFIXES = (".txt", ".xls", ".txt.gz", ".xlsx")  # where there are none of the first


class JoinedTables:
    """Tables that have the same columns, with the same use as `TextTable`.

    Besides, they have columns whose cells are alike in all of a file: `EXPORT` if there are
    several, and those of `OF_FILE` that every file's lines before the names of columns tell.

    Attributes
    ----------
    path : Path
        The folder, or the file if it is one.
    names : tuple of str
        The columns.
    of_file : list of dict of str to str
        For each file the cells of those columns.
    """

    def __init__(self, path: Path, tables: Sequence[TextTable | ParquetTable]) -> None:
        self.path = path
        self.of_file = _of_files(tables)
        self.names = (*tables[0].names, *self.of_file[0])
        self._tables = tables
        self._n_rows = [0] * len(tables)

    @property
    def notes(self) -> list[Decision]:
        """What opening and reading decided, of all files or of some."""
        names = [printable(table.path.name) for table in self._tables]
        return of_files([table.notes for table in self._tables], names)

    def batches(
        self, texts: Sequence[str], numbers: Sequence[str]
    ) -> Iterator[tuple[list[list[str]], list[NDArray[np.float64]]]]:
        """Yield some rows at a time, one table after the other."""
        inner = [name for name in texts if name not in self.of_file[0]]
        for i, table in enumerate(self._tables):
            self._n_rows[i] = 0
            for cells, values in table.batches(inner or [self.names[0]], numbers):
                n = len(cells[0])
                self._n_rows[i] += n
                by_name = dict(zip(inner, cells, strict=False))
                by_name |= {name: [cell] * n for name, cell in self.of_file[i].items()}
                yield [by_name[text] for text in texts], values

    def place(self, row: int) -> str:
        """Return the file and line of a row (from 0) that was read."""
        if len(self._tables) == 1:
            return self._tables[0].place(row)
        for table, n in zip(self._tables, self._n_rows, strict=True):
            if row < n:
                return f"{table.path.name}, {table.place(row)}"
            row -= n
        return printable(self.path)


Table = TextTable | ParquetTable | JoinedTables | AscTable


def open_tables(source: Path) -> tuple[Table, Path, Decision]:
    """Open the table of fixations that a path means.

    Parameters
    ----------
    source : Path
        A file, or a folder with `fixations.csv`, one other table, or tables with the same columns,
        or without any, with EyeLink recordings.

    Returns
    -------
    table : TextTable, ParquetTable, JoinedTables or AscTable
        The table, or all of them as one.
    folder : Path
        Where it lies.
    decision : Decision
        Which files were taken.

    Raises
    ------
    DataError
        If there is no table or several that differ.
    """
    if not source.is_dir():
        what = f"fixations are read from {printable(source.name)}"
        is_asc = source.name.lower().endswith(ASC_SUFFIXES)
        return (
            AscTable(source, [source]) if is_asc else _with_lines(_opened(source)),
            source.parent,
            Decision("file", what, STATED, guessed=False),
        )
    files = _with_suffix(source, _SUFFIXES)
    if not files and (recordings := _with_suffix(source, ASC_SUFFIXES)):
        what = f"{len(recordings)} .asc files are read, each as one subject's"
        found = Decision("file", what, "there is no table of fixations", "give the path of one")
        return AscTable(source, recordings), source, found
    files = files or _with_suffix(source, _OTHER_SUFFIXES)
    named = [path for path in files if path.name.split(".")[0] == "fixations"]
    chosen = named or files
    if len(chosen) == 1:
        what = f"fixations are read from {printable(chosen[0].name)}"
        why = "its name" if named else "it is the only table there"
        found = Decision("file", what, why, "give its path", guessed=not named)
        return _with_lines(_opened(chosen[0])), source, found
    shown = ", ".join(printable(path.name) for path in chosen[:20]) or "none"
    tables = [] if named else _alike(chosen)
    if not tables:
        raise DataError(
            f"{printable(source)}: needs one table of fixations, but has {shown}; call it"
            f" {FIXATIONS_FILE} or give its own path (several must have the same columns"
            f"{_difference(chosen)})"
        )
    what = f"{len(tables)} tables are read as one: {shown}"
    found = Decision("file", what, "they have the same columns", "give the path of one")
    return JoinedTables(source, tables), source, found


def _alike(paths: Sequence[Path]) -> list[TextTable | ParquetTable]:
    """Return the tables if all have the same columns, else none."""
    tables = list[TextTable | ParquetTable]()
    for path in paths:
        try:
            tables.append(_opened(path))
        except DataError:
            return []
    same = all(set(table.names) == set(tables[0].names) for table in tables)
    return tables if same else []


def _difference(paths: Sequence[Path]) -> str:
    """Say what a table's columns lack of another's, so that the odd one is found."""
    names = dict[Path, set[str]]()
    for path in paths:
        with suppress(DataError):
            names[path] = set(_opened(path).names)
    usual = max(names.values(), key=list(names.values()).count, default=set())
    odd = next((path for path in names if names[path] != usual), None)
    if odd is None:
        return ""
    lacks, has = (sorted(columns)[:_LISTED] for columns in (usual - names[odd], names[odd] - usual))
    said = [f"lacks {', '.join(map(repr, lacks))}"] * bool(lacks)
    said += [f"has {', '.join(map(repr, has))} besides"] * bool(has)
    return f"; {printable(odd.name)} {' and '.join(said)}"


def _with_suffix(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name.lower().endswith(suffixes)
        and path.name != STIMULI_FILE
        and not path.name.lower().startswith(("readme", "."))
    ]


def _opened(path: Path) -> TextTable | ParquetTable:
    if path.suffix == ".parquet":
        return open_parquet_table(path)
    return open_workbook(path) if is_workbook(path) else open_text_table(path)


def _with_lines(table: TextTable | ParquetTable) -> Table:
    """Return a table with columns for what its lines before the names of columns tell."""
    return JoinedTables(table.path, [table]) if _of_files([table])[0] else table


def _of_files(tables: Sequence[TextTable | ParquetTable]) -> list[dict[str, str]]:
    """Return for each file the cells that all its rows have."""
    told = [told_before(table.before) if isinstance(table, TextTable) else {} for table in tables]
    roles = [role for role in OF_FILE if all(role in one for one in told)]
    found = [{OF_FILE[role]: one[role] for role in roles} for one in told]
    if len(tables) > 1:
        names = [_without_suffix(table.path.name) for table in tables]
        if len(set(names)) < len(names):
            names = [table.path.name for table in tables]
        for one, name in zip(found, names, strict=True):
            one[EXPORT] = name
    return found


def _without_suffix(name: str) -> str:
    suffixes = sorted((*_SUFFIXES, *_OTHER_SUFFIXES), key=len)
    longest = [suffix for suffix in suffixes if name.lower().endswith(suffix)][-1:]
    return name[: -len(longest[0])] if longest else name
