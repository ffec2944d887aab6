"""What a program says of each eye in each row: whether its position is to be trusted."""

from collections.abc import Mapping
from math import isnan

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.own.events import INVALID_CELLS, VALID_CELLS
from deepgaze2.data.own.eyes import EYES
from deepgaze2.data.own.names import key
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.trackers import Tracker
from deepgaze2.errors import DataError

_UNTOLD = {"", "na", "nan", "null", "none"}


def invalid_rows(
    rows: Rows, columns: Mapping[str, str], eye: str, tracker: Tracker | None
) -> NDArray[np.bool_]:
    """Tell which rows an eye is said not to be valid in; an empty cell says nothing.

    Cells say so in words, or by 1 and 0. Numbers in tables of a program that grades validity, as
    Tobii Studio does from 0 for certain to 4 for missing, are valid up to that grade.

    Raises
    ------
    DataError
        If a cell says neither, or numbers may be grades as well as 1 and 0.
    """
    if f"{eye}_valid" not in rows.texts:
        return np.zeros(len(rows), bool)
    codes, names = rows.texts[f"{eye}_valid"]
    column, place = columns[f"{eye}_valid"], rows.place(0)
    worst = tracker.valid_up_to if tracker else None
    if worst is not None:
        _refuse_ambiguous(rows, column, place)
    invalid = []
    for name in names:
        grade = _number(name)
        if worst is not None and grade is not None:
            invalid.append(grade > worst)
        elif key(name) in _UNTOLD | VALID_CELLS:
            invalid.append(False)
        elif key(name) in INVALID_CELLS:
            invalid.append(True)
        else:
            raise DataError(
                f"{place}: column {column!r} has {name!r}, which does not say whether the eye is"
                f" valid; state another, --column {eye}_valid=NAME, or valid=none"
            )
    return np.array(invalid)[codes]


def _refuse_ambiguous(rows: Rows, column: str, place: str) -> None:
    """Refuse grades of 0 and 1 alone: where an eye has 1, Tobii gives the other one 3."""
    texts = (rows.texts.get(f"{one}_valid", (None, []))[1] for one in EYES)
    grades = {grade for names in texts for name in names if (grade := _number(name)) is not None}
    if 1 in grades and max(grades) <= 1:
        raise DataError(
            f"{place}: column {column!r} has 0 and 1 alone, and 0 may be the best of five grades or"
            " say that the eye was lost; state --column valid=none, or write valid and invalid"
        )


def _number(cell: str) -> float | None:
    try:
        return None if isnan(number := float(cell)) else number
    except ValueError:
        return None
