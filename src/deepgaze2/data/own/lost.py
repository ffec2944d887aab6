"""Numbers that programs write for a position where no eye was found."""

import numpy as np

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.rows import Rows

_FEW = 2
_NUMBERS = (0.0, -1.0, -100.0, -999.0, -1000.0, -9999.0, -32768.0, 1e8)
"""What x and y both are there. Counted from a corner, nobody looks there twice."""


def without_lost(rows: Rows) -> list[Decision]:
    """Make positions unknown that are no positions, in place.

    Parameters
    ----------
    rows : Rows
        As recorded, with positions that count from a corner.

    Returns
    -------
    list of Decision
        How many, for each such number.
    """
    x, y = rows.numbers["x"], rows.numbers["y"]
    decided = list[Decision]()
    for number in _NUMBERS:
        gone = (x == number) & (y == number)
        if (n := int(np.count_nonzero(gone))) >= _FEW and n < len(rows):
            x, y = (np.where(gone, np.nan, column) for column in (x, y))
            what = f"{n} of {len(rows)} rows have no position"
            why = f"x and y are exactly {number:g}, as programs write it where no eye was found"
            decided.append(Decision("rows", what, why))
    rows.numbers |= {"x": x, "y": y}
    return decided
