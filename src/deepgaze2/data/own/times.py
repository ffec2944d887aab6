"""A table's times as seconds since the image appeared."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.own.columns import is_clock, time_unit_s
from deepgaze2.data.own.conventions import TimeUnit, duration_unit_s, start_unit_s
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.table_files import Table
from deepgaze2.image.stimulus import printable

_LATEST_START_S = 100.0


def in_seconds(
    rows: Rows,
    table: Table,
    chosen: Mapping[str, str],
    order: NDArray[np.int32],
    time: TimeUnit | None,
    is_own: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """Return when fixations begin and how long they last, and what was assumed.

    Parameters
    ----------
    rows : Rows
        As recorded; changed in place.
    table : Table
        What they were read from.
    chosen : mapping of str to str
        The table's column for each role.
    order : int32 array (n,)
        Positions in scanpaths.
    time : {"s", "ms", "us", "ns"}, optional
        The unit that the user states.
    is_own : bool
        Whether the table is in the project's own format, so that nothing is guessed.

    Returns
    -------
    start_s, duration_s : float32 array (n,)
        In seconds, NaN where unknown.
    list of str
        Sentences that say what was assumed.

    Raises
    ------
    DataError
        If fixations would last implausibly long or short.
    """
    unknown = np.full(len(order), np.nan, np.float32)
    start_s, duration_s = unknown, unknown
    unit_s, notes = None, list[str]()
    if (durations := rows.numbers.get("duration")) is not None:
        column = chosen["duration"]
        label = f"{printable(table.path)}: column {column!r}"
        if is_own and time == "s":  # what another program wrote, plausible or not
            unit_s = 1.0
        else:
            named_s = time_unit_s(column, table.names)
            unit_s, notes = duration_unit_s(durations, named_s, time, label)
        durations *= unit_s or 1
        duration_s = durations.astype(np.float32)
    if (starts := rows.numbers.get("start")) is not None:
        unit_s, assumed = start_unit_s(
            starts, time_unit_s(chosen["start"], table.names), time, unit_s
        )
        starts *= unit_s
        notes += assumed
        first = starts[(order == order.min()) & np.isfinite(starts)]
        late = len(first) and np.median(first) > _LATEST_START_S
        if not is_own and (late or is_clock(chosen["start"], table.names)):
            notes.append(
                "Starts are times of a clock that runs through the recording, not since the image"
                " appeared: they are not kept."
            )
        else:
            start_s = starts.astype(np.float32)
    return start_s, duration_s, notes
