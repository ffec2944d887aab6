"""A table's cells, read into columns; texts as numbers of the distinct ones."""

import re
from array import array
from collections.abc import Mapping, Sequence

import numpy as np

from deepgaze2.data.own.events import says_fixation
from deepgaze2.data.own.eyes import EYE_TEXT_ROLES
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.table_files import Table
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import Progress

TEXT_ROLES = ("image", "subject", "kind", "valid", "eye", "trial", "units", *EYE_TEXT_ROLES)
_TIME_OF_DAY = re.compile(r"(?:\d{1,4}[-./]\d{1,2}[-./]\d{1,4}[ T])?\d{1,2}:\d{2}(?::\d{2}.*)?")


class _Codes(dict[str, int]):
    """Numbers texts in the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code


def read_rows(table: Table, chosen: Mapping[str, str], image: str | None) -> Rows:
    """Read the chosen columns.

    Parameters
    ----------
    table : Table
        The table.
    chosen : mapping of str to str
        The column for each role; those of `TEXT_ROLES` hold texts, others numbers.
    image : str, optional
        The one image that was shown, where no column is chosen for it.

    Raises
    ------
    DataError
        If the table has no row, or a number is none.
    """
    texts = [role for role in TEXT_ROLES if role in chosen]
    numbers = [role for role in chosen if role not in texts]
    codes = {role: (_Codes(), array("i")) for role in texts}
    columns = {role: array("d") for role in numbers}
    batches = table.batches([chosen[role] for role in texts], [chosen[role] for role in numbers])
    with Progress("reading fixations", None, "row", delay_s=2) as progress:
        for cells, values in batches:
            for role, column in zip(texts, cells, strict=True):
                known, coded = codes[role]
                coded.extend(map(known.__getitem__, column))
            for role, part in zip(numbers, values, strict=True):
                columns[role].frombytes(part.tobytes())
            progress.update(len(values[0]))
    n = len(next(iter(columns.values())))
    if n == 0:
        raise DataError(f"{printable(table.path)}: holds no fixation; export it again")
    coded_texts = {
        role: (np.frombuffer(coded, np.int32), list(known))
        for role, (known, coded) in codes.items()
    }
    none = np.zeros(n, np.int32)
    shown, image_names = coded_texts.pop("image", (none, [image or ""]))
    subject, subject_names = coded_texts.pop("subject", (none, []))
    return Rows(
        image=shown,
        image_names=image_names,
        subject=subject,
        subject_names=[] if subject_names == [""] else subject_names,
        numbers={role: np.frombuffer(column, np.float64) for role, column in columns.items()},
        place=lambda row: f"{printable(table.path)}, {table.place(row)}",
        texts={role: text for role, text in coded_texts.items() if text[1] != [""]},
    )


def without_fixations(table: Table, names: Sequence[str]) -> set[str]:
    """Return which of some columns never say that their row is a fixation."""
    silent = set(names)
    for cells, _ in table.batches(names, []) if names else ():
        silent -= {
            n
            for n, column in zip(names, cells, strict=True)
            if any(map(says_fixation, set(column)))
        }
        if not silent:
            break
    return silent


def time_of_day(table: Table, name: str) -> str | None:
    """Return a column's first cell if it is a time such as 12:34:56.789, or a date with one."""
    for (cells,), _ in table.batches([name], []):
        if told := next(filter(None, cells), None):
            return told if _TIME_OF_DAY.fullmatch(told) else None
    return None


def empty_columns(table: Table, names: Sequence[str]) -> set[str]:
    """Return which of some columns hold nothing; none if the table has no row."""
    empty = set(names)
    any_row = False
    for cells, _ in table.batches(names, []):
        any_row = True
        empty -= {name for name, column in zip(names, cells, strict=True) if any(column)}
        if not empty:
            break
    return empty if any_row else set()
