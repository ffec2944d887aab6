"""A table's rows: one for each fixation, or samples in which these are yet to be detected."""

from collections.abc import Mapping

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.columns import UNITS_S, time_unit_s
from deepgaze2.data.own.conventions import TimeUnit
from deepgaze2.data.own.detection import Detection
from deepgaze2.data.own.events import only_fixations
from deepgaze2.data.own.eyes import Eye, has_eyes, without_names
from deepgaze2.data.own.findings import single_rows
from deepgaze2.data.own.gaze import one_gaze
from deepgaze2.data.own.merging import merge_fixations, refuse_samples
from deepgaze2.data.own.reading import read_rows
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.samples import refuse_fixations
from deepgaze2.data.own.table_files import Table
from deepgaze2.data.own.trackers import tracker_of
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable


def table_rows(
    table: Table,
    chosen: Mapping[str, str],
    stated: Mapping[str, str],
    time: TimeUnit | None,
    image: str | None,
    eye: Eye | None,
    detection: Detection | None,
    is_own: bool,
    decided: list[Decision],
) -> tuple[Rows, float | None]:
    """Read the rows of fixations, or with a `detection` those of samples.

    Parameters
    ----------
    table : Table
        The table.
    chosen, stated : mapping of str to str
        The column for each role, and those that the user stated.
    time, image, eye : optional
        As the user states them, see `read_tabular`.
    detection : Detection, optional
        Whether rows are samples.
    is_own : bool
        Whether the table is in the project's own format, whose rows are fixations.
    decided : list of Decision
        Filled with what is left out and made one.

    Returns
    -------
    Rows
        One for each fixation, or the samples.
    float or None
        The unit of starts in seconds, if it is known.

    Raises
    ------
    DataError
        If no row is left, or rows are samples without a `detection`, or fixations with one.
    """
    opened = table.notes.copy()
    rows = read_rows(table, without_names(chosen), image)
    decided += [note for note in table.notes if note not in opened]
    n, start = len(rows), chosen.get("start")
    unit_s = (UNITS_S[time] if time else start and time_unit_s(start, table.names)) or None
    if is_own and eye:
        raise DataError(f"{printable(table.path)}: tells of no eyes; leave out --eye")
    if not is_own:
        rows, seen = one_gaze(rows, chosen, eye, tracker_of(table.names))
        decided += seen
    if detection:
        refuse_fixations(rows, chosen)
    elif is_own:
        why = "the columns are those of deepgaze2's own format"
        decided.append(Decision("rows", f"each of {n} rows is a fixation", why, guessed=False))
    if is_own:
        return rows, unit_s
    of_rows = None if has_eyes(chosen) else eye
    rows, left = only_fixations(rows, chosen, stated, of_rows, samples=detection is not None)
    decided += left
    if detection:
        return rows, unit_s
    rows, merged = merge_fixations(rows, unit_s, chosen.get("order"))
    decided += merged
    refuse_samples(rows, unit_s)
    if not merged:
        decided.append(single_rows(len(rows), n, chosen))
    return rows, unit_s
