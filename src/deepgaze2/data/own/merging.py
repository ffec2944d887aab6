"""Rows of one fixation made one: exports of samples or video frames repeat its number."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import DOUBTS, Decision
from deepgaze2.data.own.columns import UNITS_S
from deepgaze2.data.own.rows import Rows
from deepgaze2.errors import DataError

_GAP_S = 0.1  # between rows of one fixation; trackers have 20 Hz and more
_SAMPLED_SHARE = 0.3
_SAMPLE_STEPS_S = (0.0004, 0.05)
_FIXATION_STEPS_S = (0.1, 1.5)
_MOST = 0.8
_NEAR = 0.15
_FEW = 10
_FAR, _FAR_SHARE = 0.2, 0.02  # of the extent of all positions; of the fixations


def merge_fixations(
    rows: Rows, start_unit_s: float | None, column: str | None
) -> tuple[Rows, list[Decision]]:
    """Make successive rows with the number of one fixation one row.

    They are one fixation if they have its number, subject, image and trial, and besides the same
    position, the same start, or starts less than 0.1 s apart. It lies at their mean, begins with
    the first and lasts as long as the longest says, since programs let durations grow.

    Parameters
    ----------
    rows : Rows
        Of one eye. Their order may be unknown (NaN) between fixations.
    start_unit_s : float, optional
        The unit of `start` in seconds, if it is known.
    column : str, optional
        The column of the numbers.

    Returns
    -------
    Rows
        In the order of the table, but each subject's together.
    list of Decision
        One if rows became one.
    """
    order = rows.numbers.get("order")
    if order is None or np.count_nonzero(~np.isnan(order)) < 2:
        return rows, []
    numbered = rows.take(np.flatnonzero(~np.isnan(order)))
    rank, alike = successive(numbered, "order")
    one = alike & _continues(numbered, rank, alike, start_unit_s)
    if not one.any():
        return rows, []
    begins = np.flatnonzero(np.append(True, ~one))
    merged = _merged(numbered.take(rank), begins)
    what = f"{len(numbered)} rows are of {len(merged)} fixations, each at the mean of its rows"
    n_between = len(rows) - len(numbered)
    between = f"; {n_between} rows without a number are between fixations" if n_between else ""
    why = f"they are numbered by {column!r}{between}"
    decided = [Decision("rows", what, why, "--column order=none keeps all rows")]
    if (far := _share_far_apart(numbered.take(rank), begins)) > _FAR_SHARE:
        looks = f"those of {far:.0%} of fixations lie far apart"
        decided.append(Decision(DOUBTS, "look again at the rows of one fixation", looks))
    return merged, decided


def successive(rows: Rows, *roles: str) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return rows by subject, and which of them go on in the viewing of the one before.

    Numbers of some `roles` must also be equal.
    """
    trial = rows.texts["trial"][0] if "trial" in rows.texts else np.zeros_like(rows.image)
    rank = np.lexsort((trial, rows.subject))  # stable
    alike = np.ones(max(len(rows) - 1, 0), bool)
    columns: list[NDArray[Any]] = [trial, rows.subject, rows.image]
    for values in columns + [rows.numbers[role] for role in roles]:
        alike &= values[rank[1:]] == values[rank[:-1]]
    return rank, alike


def _continues(
    rows: Rows, rank: NDArray[np.intp], alike: NDArray[np.bool_], unit_s: float | None
) -> NDArray[np.bool_]:
    """Tell which successive rows of one number are also near in time, or at one place."""

    def steps(role: str) -> NDArray[np.float64]:
        return np.diff(rows.numbers[role][rank])

    same: NDArray[np.bool_] = (steps("x") == 0) & (steps("y") == 0)
    if "start" in rows.numbers:
        start = rows.numbers["start"][rank]
        sampled = np.mean(alike) > _SAMPLED_SHARE
        same |= (np.diff(start) == 0) & (sampled | (start[1:] != 0))  # viewings all begin at 0
        if unit_s is not None:
            step = np.diff(start) * unit_s
            same |= (step > 0) & (step < _GAP_S)
    return same


def _merged(rows: Rows, begins: NDArray[np.intp]) -> Rows:
    """Return one row for each run that begins there."""
    merged = rows.take(begins)
    numbers = dict(merged.numbers)
    for role in ("x", "y"):
        values = rows.numbers[role]
        some = np.fmax.reduceat(values, begins)  # deviations from it are exact zeros if all agree
        deviation = values - np.repeat(some, np.diff(begins, append=len(rows)))
        n_known = np.add.reduceat(np.isfinite(values).astype(np.float64), begins)
        numbers[role] = some + np.add.reduceat(np.nan_to_num(deviation), begins) / np.fmax(
            n_known, 1
        )
    if "duration" in numbers:
        numbers["duration"] = np.fmax.reduceat(rows.numbers["duration"], begins)
    return replace(merged, numbers=numbers)


def _share_far_apart(rows: Rows, begins: NDArray[np.intp]) -> float:
    """Return the share of runs whose rows lie farther apart than those of a fixation do."""
    far = np.zeros(len(begins), bool)
    for role in ("x", "y"):
        values = rows.numbers[role]
        if np.isfinite(values).any():
            low, high = np.nanquantile(values, [0.01, 0.99])
            extent = np.fmax.reduceat(values, begins) - np.fmin.reduceat(values, begins)
            far |= extent > _FAR * (high - low)
    return float(far.mean())


def refuse_samples(rows: Rows, start_unit_s: float | None) -> None:
    """Refuse rows that look like samples: starts in small steps, positions that creep, one number.

    Raises
    ------
    DataError
        It says what to state.
    """
    if len(rows) <= _FEW:
        return
    rank, together = successive(rows)
    if np.count_nonzero(together) < _FEW:
        return
    order = rows.numbers.get("order")
    if order is None or np.isnan(order).any():
        small = _small_steps(rows, rank, together, start_unit_s)
        reason = small or _creeping(rows, rank, together)
        advice = "the column that numbers fixations, --column order=NAME"
    else:
        reason, advice = "", "the unit of times, --time ms, or --column trial=NAME"
        if np.mean(successive(rows, "order")[1]) >= _SAMPLED_SHARE:
            reason = "those that follow each other have one number, but not one place"
        elif start_unit_s is not None:
            reason = _small_steps(rows, rank, together, start_unit_s)
            advice = "another number of fixations, --column order=NAME"
    if reason:
        raise DataError(
            f"{rows.place(0)}: rows look like samples of the gaze, not fixations: {reason}. State"
            f" {advice}, export fixations, or let them be detected, --detect ivt"
        )


def _small_steps(
    rows: Rows, rank: NDArray[np.intp], together: NDArray[np.bool_], unit_s: float | None
) -> str:
    """Say so if rows begin so shortly after one another as no fixations do.

    Where the unit is not known, it is told by which of them makes steps those of samples and none
    those of fixations; or else, if one may, steps must be steady.
    """
    if "start" not in rows.numbers:
        return ""
    step = np.diff(rows.numbers["start"][rank])[together]
    step = step[np.isfinite(step)]
    if not len(step) or np.mean(step > 0) < _MOST:
        return ""
    median = float(np.median(step))
    durations = rows.numbers.get("duration")
    if durations is not None and np.mean(durations <= 1.2 * median) > _MOST:
        return ""  # one after the other
    units = UNITS_S.values() if unit_s is None else (unit_s,)

    def is_in(range_s: tuple[float, float]) -> bool:
        return any(range_s[0] <= median * unit <= range_s[1] for unit in units)

    steady = np.mean(abs(step - median) <= max(0.1 * median, 1.0 if median > 3 else 0)) >= _MOST
    if is_in(_SAMPLE_STEPS_S) and (steady or not is_in(_FIXATION_STEPS_S)):
        return f"they begin in steps of {median:g}"
    return ""


def _creeping(rows: Rows, rank: NDArray[np.intp], together: NDArray[np.bool_]) -> str:
    x, y = rows.numbers["x"][rank], rows.numbers["y"][rank]
    if not np.isfinite(x + y).any():
        return ""
    move = np.hypot(np.diff(x), np.diff(y))[together]
    spread = np.hypot(x - np.nanmedian(x), y - np.nanmedian(y))
    typical = float(np.nanmedian(spread))
    if np.isfinite(move).any() and np.nanmedian(move) < _NEAR * typical:
        return "most lie where the one before lies"
    return ""
