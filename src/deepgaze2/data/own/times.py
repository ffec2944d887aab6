"""A table's times as seconds since the image appeared."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import DOUBTS, STATED, Decision
from deepgaze2.data.own.columns import UNITS_S, is_clock, time_unit_s, written_unit_s
from deepgaze2.data.own.conventions import TimeUnit, duration_unit_s, start_unit_s
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.table_files import Table
from deepgaze2.data.own.trackers import tracker_of
from deepgaze2.image.stimulus import printable

_LATEST_START_S = 100.0


def in_seconds(
    rows: Rows,
    table: Table,
    chosen: Mapping[str, str],
    order: NDArray[np.int32],
    time: TimeUnit | None,
    is_own: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[Decision]]:
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
    list of Decision
        What was decided, and why.

    Raises
    ------
    DataError
        If fixations would last implausibly long or short.
    """
    unknown = np.full(len(order), np.nan, np.float32)
    start_s, duration_s = unknown, unknown
    unit_s, notes = None, list[Decision]()
    if (durations := rows.numbers.get("duration")) is not None:
        column = chosen["duration"]
        label = f"{printable(table.path)}: column {column!r}"
        if is_own and time == "s":  # what another program wrote, plausible or not
            unit_s = 1.0
        else:
            named_s = time_unit_s(column, table.names)
            unit_s, notes = duration_unit_s(durations, named_s, time, label)
        notes = notes or _unit("durations", column, table, unit_s, time, is_own)
        durations *= unit_s or 1
        duration_s = durations.astype(np.float32)
    if (starts := rows.numbers.get("start")) is not None:
        column = chosen["start"]
        unit_s, assumed = start_unit_s(starts, time_unit_s(column, table.names), time, unit_s)
        starts *= unit_s
        notes += assumed or _unit("starts", column, table, unit_s, time, is_own)
        first = starts[(order == order.min()) & np.isfinite(starts)]
        late = len(first) and np.median(first) > _LATEST_START_S
        if late:
            why = f"the median first fixation starts at {np.median(first):.0f} s"
        elif is_clock(column, table.names):
            why = f"those of {column!r} always are"
        elif _run_on(rows):
            why = f"those of {column!r} go on from image to image"
        else:
            why = ""
        if why and not is_own:
            what = "starts are times of a clock that runs through the recording, and are not kept"
            notes.append(Decision("time", what, why))
            notes += _contradicted(rows, order)
        else:
            start_s = starts.astype(np.float32)
    return start_s, duration_s, notes


def _unit(
    what: str, column: str, table: Table, unit_s: float | None, stated: str | None, is_own: bool
) -> list[Decision]:
    """Say what tells a unit where values do not."""
    if unit_s is None:
        return []
    unit = next(name for name, seconds in UNITS_S.items() if seconds == unit_s)
    if stated and not is_own:
        why = STATED
    elif written_unit_s(column) == unit_s:
        why = f"the name of {column!r} says so"
    elif time_unit_s(column, table.names) == unit_s and tracker_of(table.names):
        why = f"that program writes {column!r} so"
    else:
        why = "durations are"
    return [Decision("time", f"{what} are in {unit}", why, "--time UNIT", guessed=False)]


def _run_on(rows: Rows) -> bool:
    """Tell whether images' fixations all begin after those on what their subject saw before.

    Images with one fixation tell nothing, and it takes two that follow others.
    """
    start = rows.numbers["start"]
    known = np.flatnonzero(np.isfinite(start))
    rank = known[np.lexsort((start[known], rows.image[known], rows.subject[known]))]
    viewing = np.stack([rows.subject, rows.image])[:, rank]
    begins = np.append(True, (np.diff(viewing) != 0).any(axis=0))[: len(rank)]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(rank)) - 1
    first, last = first[last > first], last[last > first]
    earliest, latest, person = start[rank[first]], start[rank[last]], viewing[0, first]
    in_time = np.lexsort((earliest, person))
    same = np.diff(person[in_time]) == 0
    after = earliest[in_time][1:] > latest[in_time][:-1]
    return bool(np.count_nonzero(same) > 1 and after[same].all())


def _contradicted(rows: Rows, order: NDArray[np.int32]) -> list[Decision]:
    """Say so if fixations begin before those that come before them in order."""
    rank = np.lexsort((order, rows.subject, rows.image))
    same = (np.diff(rows.subject[rank]) == 0) & (np.diff(rows.image[rank]) == 0)
    n = int(np.count_nonzero(same & (np.diff(rows.numbers["start"][rank]) < 0)))
    looks = f"{n} begin before those that come before them"
    return [Decision(DOUBTS, "look again at the order of fixations", looks)] if n else []
