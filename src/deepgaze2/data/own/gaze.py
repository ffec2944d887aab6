"""One position from those of two eyes: an eye's, or the mean of those that are valid."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.events import says_fixation
from deepgaze2.data.own.eye_validity import invalid_rows
from deepgaze2.data.own.eyes import AXES, EYE_NUMBER_ROLES, EYE_TEXT_ROLES, EYES, Eye
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.trackers import Tracker
from deepgaze2.errors import DataError

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Texts = tuple[NDArray[np.int32], list[str]]


def one_gaze(
    rows: Rows, columns: Mapping[str, str], eye: Eye | None, tracker: Tracker | None
) -> tuple[Rows, list[Decision]]:
    """Give rows one position, number and kind each where the eyes have columns of their own.

    The mean is that of the eyes that are valid in a row: of both, or the position of the one.
    Fixations that are numbered for each eye do not pair, so of each subject one eye is taken: that
    with more positions, the right one if they are equal.

    Parameters
    ----------
    rows : Rows
        As read. What they have of eyes, such as `left_x`, is used up.
    columns : mapping of str to str
        The column for each role, as `settle_eyes` leaves them.
    eye : {"left", "right", "mean"}, optional
        As stated.
    tracker : Tracker, optional
        The program that wrote the table.

    Returns
    -------
    Rows
        Those that some eye is valid in.
    list of Decision
        Which eye counts, and what is left out.

    Raises
    ------
    DataError
        If the mean is asked for where fixations do not pair, a cell does not say whether an eye is
        valid, or no row is left.
    """
    if tracker and tracker.lost is not None:
        _forget(rows, tracker.lost)
    if not {*EYE_NUMBER_ROLES, *EYE_TEXT_ROLES} & {*rows.numbers, *rows.texts}:
        return rows, []
    eyes = [one for one in EYES if f"{one}_x" in rows.numbers]
    invalid = {one: invalid_rows(rows, columns, one, tracker) for one in EYES}
    apart = _are_numbered_apart(rows)
    if apart and (eye == "mean" or not eyes):
        remedy = "--eye left or right" if eyes else "whose count, --column order=NAME"
        raise DataError(
            f"{rows.place(0)}: {columns['left_order']!r} and {columns['right_order']!r} number each"
            f" eye's own fixations, which do not pair; state {remedy}"
        )
    if len(eyes) == 1 or apart:
        rows, notes = _of_one(rows, columns, eyes, invalid)
        only = [
            Decision("rows", f"positions are the {eyes[0]} eye's", "there are none of the other")
        ]
        return rows, (only if len(eyes) == 1 and eye not in EYES else []) + notes
    return _of_both(rows, columns, eyes, invalid)


def _forget(rows: Rows, lost: float) -> None:
    """Make positions unknown whose x and y are the number that a program writes for none."""
    for x, y in AXES:
        if x in rows.numbers:
            gone = (rows.numbers[x] == lost) & (rows.numbers[y] == lost)
            for role in (x, y):
                rows.numbers[role] = np.where(gone, np.nan, rows.numbers[role])


def _are_numbered_apart(rows: Rows) -> bool:
    """Tell whether some row has a fixation's number of both eyes."""
    left, right = (rows.numbers.get(f"{one}_order") for one in EYES)
    if left is None or right is None:
        return False
    return bool((np.isfinite(left) & np.isfinite(right)).any())


def _of_one(
    rows: Rows, columns: Mapping[str, str], eyes: list[str], invalid: Mapping[str, Mask]
) -> tuple[Rows, list[Decision]]:
    """Take the one eye that is there, or of each subject the one with more positions."""
    notes = list[Decision]()
    if len(eyes) == 1:
        is_left = np.full(len(rows), eyes == ["left"])
    else:
        left, right = (_usable(rows, one, invalid[one]) for one in EYES)
        n = 1 + int(rows.subject.max())
        counts = [np.bincount(rows.subject[usable], minlength=n) for usable in (left, right)]
        is_left = (counts[0] > counts[1])[rows.subject]
        n_left, n_all = (len(np.unique(part)) for part in (rows.subject[is_left], rows.subject))
        notes = [
            Decision(
                "rows",
                "of each subject the eye with more positions is taken",
                f"fixations are numbered for each eye: the left of {n_left}, the right of"
                f" {n_all - n_left}",
                "--eye left or right states which",
            )
        ]
    gone = np.where(is_left, invalid["left"], invalid["right"])
    return _without(_merged(rows, is_left), gone, columns, ("valid",), notes)


def _of_both(
    rows: Rows, columns: Mapping[str, str], eyes: list[str], invalid: Mapping[str, Mask]
) -> tuple[Rows, list[Decision]]:
    """Take the mean of the eyes that are valid, or what the program combined."""
    kinds = [one for one in EYES if f"{one}_kind" in rows.texts]
    refused = dict(invalid)
    if len(kinds) == 2:
        refused = {one: refused[one] | ~_fixates(rows, one) for one in EYES}
        if not any(_fixates(rows, one).any() for one in EYES):
            raise DataError(
                f"{rows.place(0)}: no row of {columns['left_kind']!r} or {columns['right_kind']!r}"
                " says 'Fixation'; state --column kind=NAME, or kind=none if all rows are fixations"
            )
    numbered_left = np.isfinite(rows.numbers.get("left_order", np.full(len(rows), np.nan)))
    merged = _merged(rows, numbered_left, join_kinds=len(kinds) < 2)
    gone = refused["left"] & refused["right"]
    notes = list[Decision]()
    if eyes:
        usable = [_usable(rows, one, refused[one]) for one in EYES]
        for axis in "xy":
            merged.numbers[axis] = _mean([rows.numbers[f"{one}_{axis}"] for one in EYES], usable)
        gone = ~(usable[0] | usable[1]) & (refused["left"] | refused["right"])
        both, left, right = (
            int(np.count_nonzero(part))
            for part in (usable[0] & usable[1], usable[0] & ~usable[1], usable[1] & ~usable[0])
        )
        notes = [
            Decision(
                "rows",
                f"positions are the mean of both eyes in {both} rows, the left one's alone in"
                f" {left}, the right one's alone in {right}",
                "each has its columns",
                "--eye left or right takes one eye's",
            )
        ]
    return _without(merged, gone, columns, ("valid", "kind")[: len(kinds) or 1], notes)


def _mean(values: list[Numbers], usable: list[Mask]) -> Numbers:
    """Return the mean where both are usable, else the one that is, else NaN."""
    left, right = (
        np.where(mask, column, np.nan) for column, mask in zip(values, usable, strict=True)
    )
    one = np.where(usable[0], left, right)
    return np.where(usable[0] & usable[1], (left + right) / 2, one)


def _usable(rows: Rows, eye: str, invalid: Mask) -> Mask:
    known = np.isfinite(rows.numbers[f"{eye}_x"]) & np.isfinite(rows.numbers[f"{eye}_y"])
    return known & ~invalid & _fixates(rows, eye)


def _fixates(rows: Rows, eye: str) -> Mask:
    """Tell which rows the eye's own kind calls fixations; all if there is none."""
    if f"{eye}_kind" not in rows.texts:
        return np.ones(len(rows), bool)
    codes, names = rows.texts[f"{eye}_kind"]
    return np.array([says_fixation(name) for name in names])[codes]


def _merged(rows: Rows, is_left: Mask, *, join_kinds: bool = True) -> Rows:
    """Return rows with the columns of the left eye where that is taken, else of the right one."""
    of_eyes = (*EYE_NUMBER_ROLES, *EYE_TEXT_ROLES)
    numbers = {role: column for role, column in rows.numbers.items() if role not in of_eyes}
    texts = {role: text for role, text in rows.texts.items() if role not in of_eyes}
    for role in ("x", "y", "order"):
        columns = [rows.numbers.get(f"{one}_{role}") for one in EYES]
        there = [column for column in columns if column is not None]
        if there:
            numbers[role] = np.where(is_left, there[0], there[-1])
    kinds = [rows.texts[f"{one}_kind"] for one in EYES if f"{one}_kind" in rows.texts]
    if kinds and join_kinds:
        (left, names), (right, others) = kinds[0], kinds[-1]
        codes = np.where(is_left, left, right + len(names)).astype(np.int32)
        texts["kind"] = codes, [*names, *others]
    return replace(rows, numbers=numbers, texts=texts)


def _without(
    rows: Rows,
    gone: Mask,
    columns: Mapping[str, str],
    roles: tuple[str, ...],
    notes: list[Decision],
) -> tuple[Rows, list[Decision]]:
    """Leave out rows that no eye counts in, and say by which columns."""
    if not gone.any():
        return rows, notes
    said = [role for role in roles if any(f"{one}_{role}" in columns for one in EYES)]
    names = [
        columns[f"{one}_{role}"] for role in said for one in EYES if f"{one}_{role}" in columns
    ]
    says = " and ".join("is valid" if role == "valid" else "fixates" for role in said)
    kept = " ".join(f"--column {role}=none" for role in said)
    note = Decision(
        "rows",
        f"{np.count_nonzero(gone)} of {len(rows)} rows are left out",
        f"no eye {says} by {' and '.join(map(repr, names))}",
        f"{kept} keeps them",
    )
    if gone.all():
        raise DataError(f"{rows.place(0)}: no fixation is left: {note}")
    return rows.take(np.flatnonzero(~gone)), [*notes, note]
