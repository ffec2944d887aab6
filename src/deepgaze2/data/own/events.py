"""Which rows are fixations: exports also have saccades, blinks, samples, both eyes, losses."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.eyes import EYES, Eye
from deepgaze2.data.own.names import key
from deepgaze2.data.own.rows import Rows
from deepgaze2.errors import DataError

Mask = NDArray[np.bool_]

_FIXATIONS = {"fixation", "fixations", "fix", "fixa", "efix", "f", "visualintake"}
_FIXATIONS |= {"fixationl", "fixationr", "fixationb"}  # SMI's, of an eye or both
_KINDS_FOR_CERTAIN = {"eyemovementtype", "gazeeventtype", "eyemovement", "movementtype"}
_LOST = {
    "blink",
    "blinks",
    "blinkl",
    "blinkr",
    "blinkb",
    "eyesnotfound",
    "lost",
    "missing",
    "invalid",
    "noise",
}
_LOST |= {"userevent", "separator", "msg", "message"}  # rows that are no samples
VALID_CELLS = {"1", "10", "true", "yes", "valid", "y", "t", "ok"}  # 10: 1.0
INVALID_CELLS = {"0", "00", "false", "no", "invalid", "n", "f", "", "1000"}
_EYES = {"l": "left", "r": "right", "lefteye": "left", "righteye": "right"}
_SHOWN = 6
_LEAST_CONFIDENCE = 0.6  # above it "useful data", as Pupil Labs says


def only_fixations(
    rows: Rows,
    columns: Mapping[str, str],
    stated: Mapping[str, str],
    eye: Eye | None,
    *,
    samples: bool = False,
) -> tuple[Rows, list[Decision]]:
    """Keep the rows that tell of fixations: by kind, validity, eye and what is empty.

    Parameters
    ----------
    rows : Rows
        As read. Their texts may have `kind`, `valid` and `eye`, their numbers `confidence`.
    columns, stated : mapping of str to str
        The column for each role, and those that the user stated.
    eye : {"left", "right", "mean"}, optional
        The eye to take where rows are of both; if not stated, of each subject the one with more
        rows, the right one if they are equal. There is no mean of rows.
    samples : bool
        Whether fixations are to be detected, so that samples of all kinds are kept but blinks.

    Returns
    -------
    Rows
        Those that are left.
    list of Decision
        What was left out, and by what.

    Raises
    ------
    DataError
        If no row is left, the column does not say what is a fixation, or the mean is asked for.
    """
    notes = list[Decision]()
    for select in (_not_lost if samples else _of_kind, _valid, _confident, _told):
        kept, note = select(rows, columns, stated)
        if note:
            rows = _kept(rows, kept, note)
            notes.append(note)
    kept, note = _of_one_eye(rows, columns, eye)
    if note:
        rows = _kept(rows, kept, note)
        notes.append(note)
    return rows, notes


def says_fixation(cell: str) -> bool:
    """Tell whether a cell says that its row is a fixation, in a program's words."""
    return key(cell) in _FIXATIONS


def counted(names: Sequence[str]) -> str:
    """Return different names with how often each occurs, the most frequent first."""
    counts = Counter(names).most_common()
    shown = ", ".join(f"{n} {repr(name) if name else 'empty'}" for name, n in counts[:_SHOWN])
    rest = sum(n for _, n in counts[_SHOWN:])
    return f"{shown} and {rest} others" if rest else shown


def _kept(rows: Rows, kept: Mask, note: Decision) -> Rows:
    if not kept.any():
        raise DataError(f"{rows.place(0)}: no fixation is left: {note}")
    return rows.take(np.flatnonzero(kept))


def _of_kind(
    rows: Rows, columns: Mapping[str, str], stated: Mapping[str, str]
) -> tuple[Mask, Decision | None]:
    everything = np.ones(len(rows), bool)
    if "kind" not in rows.texts:
        return everything, None
    codes, names = rows.texts["kind"]
    is_fixation = np.array([says_fixation(name) for name in names])
    column = columns["kind"]
    if not is_fixation.any():
        if "kind" not in stated and key(column) not in _KINDS_FOR_CERTAIN:
            return everything, None  # a category of images, a label of regions
        raise DataError(
            f"{rows.place(0)}: no row of column {column!r} says 'Fixation' (it has"
            f" {counted([names[code] for code in codes])}); state --column kind=NAME, or kind=none"
            " if all rows are fixations"
        )
    kept = is_fixation[codes]
    if kept.all():
        return kept, None
    others = counted([names[code] for code in codes[~kept]])
    return kept, Decision(
        "rows",
        f"{np.count_nonzero(~kept)} of {len(rows)} rows are left out",
        f"they are no fixations by their {column!r}: {others}",
        "--column kind=none keeps them",
    )


def _not_lost(
    rows: Rows, columns: Mapping[str, str], _: Mapping[str, str]
) -> tuple[Mask, Decision | None]:
    if "kind" not in rows.texts:
        return np.ones(len(rows), bool), None
    codes, names = rows.texts["kind"]
    kept = ~np.array([key(name) in _LOST for name in names])[codes]
    note = Decision(
        "rows",
        f"{np.count_nonzero(~kept)} of {len(rows)} rows are left out",
        f"they are no samples of the gaze by their {columns['kind']!r}:"
        f" {counted([names[code] for code in codes[~kept]])}",
        "--column kind=none keeps them",
    )
    return kept, None if kept.all() else note


def _valid(
    rows: Rows, columns: Mapping[str, str], _: Mapping[str, str]
) -> tuple[Mask, Decision | None]:
    if "valid" not in rows.texts:
        return np.ones(len(rows), bool), None
    codes, names = rows.texts["valid"]
    written = [key(name) for name in names]
    column = columns["valid"]
    if unknown := [
        names[i] for i, form in enumerate(written) if form not in VALID_CELLS | INVALID_CELLS
    ]:
        raise DataError(
            f"{rows.place(0)}: column {column!r} has {unknown[0]!r}, which does not say whether a"
            " row is valid; state another, --column valid=NAME, or valid=none"
        )
    kept = np.array([form in VALID_CELLS for form in written])[codes]
    note = Decision(
        "rows",
        f"{np.count_nonzero(~kept)} of {len(rows)} rows are left out",
        f"they are not valid by their {column!r}",
        "--column valid=none keeps them",
    )
    return kept, None if kept.all() else note


def _confident(
    rows: Rows, columns: Mapping[str, str], _: Mapping[str, str]
) -> tuple[Mask, Decision | None]:
    if "confidence" not in rows.numbers:
        return np.ones(len(rows), bool), None
    confidence, column = rows.numbers["confidence"], columns["confidence"]
    if len(wrong := np.flatnonzero((confidence < 0) | (confidence > 1))):
        raise DataError(
            f"{rows.place(int(wrong[0]))}: {confidence[wrong[0]]:g} in column {column!r} is no"
            " confidence between 0 and 1; state --column confidence=none"
        )
    kept = ~(confidence < _LEAST_CONFIDENCE)  # what is unknown stays
    note = Decision(
        "rows",
        f"{np.count_nonzero(~kept)} of {len(rows)} rows are left out",
        f"their {column!r} is below {_LEAST_CONFIDENCE}",
        "--column confidence=none keeps them",
    )
    return kept, None if kept.all() else note


def _told(
    rows: Rows, columns: Mapping[str, str], _: Mapping[str, str]
) -> tuple[Mask, Decision | None]:
    """Leave out rows with neither a position nor a number: nothing tells of a fixation there."""
    x, y, order = rows.numbers["x"], rows.numbers["y"], rows.numbers.get("order")
    if order is None or np.isnan(order).all():
        return np.ones(len(rows), bool), None
    kept = ~(np.isnan(x) & np.isnan(y) & np.isnan(order))
    note = Decision(
        "rows",
        f"{np.count_nonzero(~kept)} of {len(rows)} rows are left out",
        f"they have neither a position nor a number in {columns['order']!r}",
    )
    return kept, None if kept.all() else note


def _of_one_eye(
    rows: Rows, columns: Mapping[str, str], eye: Eye | None
) -> tuple[Mask, Decision | None]:
    everything = np.ones(len(rows), bool)
    if "eye" not in rows.texts:
        if eye is not None:
            raise DataError(
                f"{rows.place(0)}: no column tells the eye and none has its positions; state it,"
                " --column eye=NAME or left_x=NAME and so on, or leave out --eye"
            )
        return everything, None
    codes, names = rows.texts["eye"]
    eyes = [_EYES.get(key(name), key(name)) for name in names]
    distinct = sorted(set(eyes))  # left before right
    of_row = np.array([distinct.index(name) for name in eyes])[codes]
    counts = np.zeros((int(rows.subject.max()) + 1, len(distinct)), int)
    np.add.at(counts, (rows.subject, of_row), 1)
    if eye == "mean" and (np.count_nonzero(counts, axis=1) > 1).any():
        raise DataError(
            f"{rows.place(0)}: rows are of either eye by {columns['eye']!r}, and events of two eyes"
            " do not pair; state --eye left or right"
        )
    if eye in EYES:
        taken = np.array([name == eye for name in distinct])[of_row]
        how = f"{eye} eye"
    else:
        best = len(distinct) - 1 - np.argmax(counts[:, ::-1], axis=1)
        taken = of_row == best[rows.subject]
        how = "eye with more rows of each subject"
    if taken.all():
        return everything, None
    shown = counted([distinct[code] for code in of_row])
    return taken, Decision(
        "rows",
        f"those of the {how} are taken, {np.count_nonzero(~taken)} left out",
        f"rows are of several eyes by {columns['eye']!r}, {shown}",
        "--eye left or right states which",
    )
