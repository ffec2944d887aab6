"""What a table's numbers mean where it does not say: pixels or fractions, 0 or 1, s or ms."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.columns import UNITS_S
from deepgaze2.errors import DataError

Coordinates = Literal["pixels", "normalized", "percent", "degrees", "height", "norm"]
TimeUnit = Literal["s", "ms", "us", "ns"]

_NORMALIZED_SHARE = 0.99
_SECONDS_BELOW = 10.0  # fixations last 0.05 to 2 s, which is 50 to 2000 ms
_PLAUSIBLE_S = (0.005, 10.0)
_LONGEST_VIEWING_S = 100.0


def assumed_unit(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    width: NDArray[np.int32],
    height: NDArray[np.int32],
    *,
    coordinates: Coordinates | None = None,
    base: Literal[0, 1] | None = None,
    centered: bool = False,
    counted_on: Literal["image", "screen"] = "image",
) -> tuple[Coordinates, Literal[0, 1], list[Decision]]:
    """Return what positions are counted in and what the first pixel is called.

    Parameters
    ----------
    x, y : float64 array (n,)
        NaN where unknown.
    width, height : int32 array (n,)
        Of the image of each fixation, or of the screen that they count on, in pixels.
    coordinates : {"pixels", "normalized", "percent", "degrees", "height", "norm"}, optional
        If not stated, they are fractions of that size if 99% lie within -0.2 to 1.2.
    base : {0, 1}, optional
        What the first pixel is called. If not stated it is 1 if all are whole numbers from
        1 to that width or height, which some reach, and 0 otherwise.
    centered : bool
        Whether they count from the center, so that no pixel is the first.
    counted_on : {"image", "screen"}
        What to call it in messages.

    Returns
    -------
    coordinates : {"pixels", "normalized", "percent", "degrees", "height", "norm"}
    base : {0, 1}
        0 unless they are pixels.
    list of Decision
        What was decided, and why.
    """
    known = np.isfinite(x) & np.isfinite(y)
    n_known = np.count_nonzero(known)
    decided = list[Decision]()
    if coordinates is None:
        low, high = (-0.7, 0.7) if centered else (-0.2, 1.2)
        near = (x > low) & (x < high) & (y > low) & (y < high)
        n_near = np.count_nonzero(near)
        coordinates = "pixels"
        decided = [_taken_as_pixels(x[known], y[known])]
        if n_known and n_near >= _NORMALIZED_SHARE * n_known:
            coordinates = "normalized"
            decided = [_taken_as_fractions(f"{n_near} of {n_known}", counted_on)]
    if coordinates != "pixels" or n_known == 0 or centered:
        return coordinates, 0, decided
    if base is None:
        base, assumed = _base(x[known], y[known], width[known], height[known])
        decided.append(assumed)
    return coordinates, base, decided


def _taken_as_pixels(x: NDArray[np.float64], y: NDArray[np.float64]) -> Decision:
    spans = [f"{low:g} to {high:g}" for low, high in map(_span, (x, y))]
    reason = f"x goes from {spans[0]}, y from {spans[1]}" if len(x) else "none is known"
    return Decision(
        "positions", "positions are pixels", reason, "--coordinates KIND", guessed=False
    )


def _span(column: NDArray[np.float64]) -> tuple[float, float]:
    return float(column.min(initial=np.inf)), float(column.max(initial=-np.inf))


def _taken_as_fractions(n_near: str, counted_on: str) -> Decision:
    of_screen = "--screen and --shown if they are the screen's; " * (counted_on == "image")
    return Decision(
        "positions",
        f"positions are taken as fractions of the {counted_on}'s width and height",
        f"{n_near} lie between 0 and 1, or nearly",
        f"{of_screen}--coordinates pixels if they are pixels",
    )


def _base(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    width: NDArray[np.int32],
    height: NDArray[np.int32],
) -> tuple[Literal[0, 1], Decision]:
    """Return what the first pixel is probably called, and why."""
    if (lowest := min(x.min(), y.min())) < 1:
        reason = f"the lowest coordinate is {lowest:g}"
        return 0, Decision(
            "positions", "the first pixel is called 0", reason, "--base 1", guessed=False
        )
    whole = bool((x == np.floor(x)).all() and (y == np.floor(y)).all())
    within = bool((x <= width).all() and (y <= height).all())
    if whole and within and bool((x == width).any() or (y == height).any()):
        return 1, Decision(
            "positions",
            "the first pixel is taken to be called 1, and 1 was subtracted",
            "coordinates are whole numbers from 1 up to the image's size",
            "--base 0 if it is 0",
        )
    return 0, Decision(
        "positions",
        "the first pixel is taken to be called 0",
        "no coordinate tells whether it is 0 or 1",
        "--base 1 if it is 1",
    )


def duration_unit_s(
    durations: NDArray[np.float64], named_s: float | None, stated: TimeUnit | None, label: str
) -> tuple[float | None, list[Decision]]:
    """Return the unit of fixation durations in seconds, and what was assumed.

    Parameters
    ----------
    durations : float64 array (n,)
        In that unit, NaN where unknown.
    named_s : float, optional
        The unit that the column's name tells.
    stated : {"s", "ms", "us", "ns"}, optional
        The unit that the user states.
    label : str
        What to call the column in messages.

    Returns
    -------
    float or None
        None if no duration is known.
    list of Decision
        One if the unit was told by the median: seconds if it is below 10.

    Raises
    ------
    DataError
        If the median is not between 5 ms and 10 s in the unit that is stated or the name tells.
    """
    if stated is not None:
        named_s = UNITS_S[stated]
    known = durations[np.isfinite(durations)]
    if not len(known):
        return named_s, []
    median = float(np.median(known))
    unit_s = named_s or (1.0 if median < _SECONDS_BELOW else 1e-3)
    if not _PLAUSIBLE_S[0] <= median * unit_s <= _PLAUSIBLE_S[1]:
        raise DataError(
            f"{label}: fixations would last {median * unit_s:g} s (median); state their"
            " unit, --time s, ms, us or ns, time='us'"
        )
    if named_s:
        return unit_s, []
    unit = "seconds" if unit_s == 1 else "milliseconds"
    return unit_s, [
        Decision(
            "time", f"durations are taken as {unit}", f"their median is {median:g}", "--time UNIT"
        )
    ]


def start_unit_s(
    starts: NDArray[np.float64],
    named_s: float | None,
    stated: TimeUnit | None,
    of_durations_s: float | None,
) -> tuple[float, list[Decision]]:
    """Return the unit of fixation starts in seconds, and what was assumed.

    It is what is stated, what the name tells, the unit of durations, or seconds if all starts
    are below 100, in this order.
    """
    if stated is not None:
        return UNITS_S[stated], []
    if named_s is not None:
        return named_s, []
    if of_durations_s is not None:
        return of_durations_s, []
    latest = float(np.nanmax(starts, initial=0))
    unit_s, unit = (1.0, "seconds") if latest < _LONGEST_VIEWING_S else (1e-3, "milliseconds")
    return unit_s, [
        Decision("time", f"starts are taken as {unit}", f"the latest is {latest:g}", "--time UNIT")
    ]


def scanpath_order(
    stimulus: NDArray[np.int32],
    subject: NDArray[np.int32],
    order: NDArray[np.float64] | None,
    start: NDArray[np.float64] | None,
) -> tuple[NDArray[np.int32], list[Decision]]:
    """Return each fixation's position in its scanpath, the first being 0, and what was assumed.

    A scanpath is what one subject saw on one image. Positions are `order` less one if it counts
    from 1, with gaps if it has some; if it counts on from image to image, or is not given,
    they are numbered by `order`, `start` or the rows' own order.
    """
    if len(stimulus) == 0:
        return np.zeros(0, np.int32), []
    by = order if order is not None else start
    keys = (subject, stimulus) if by is None else (by, subject, stimulus)
    rows = np.lexsort(keys)
    first = np.ones(len(rows), dtype=bool)
    for key in (stimulus, subject):
        first[1:] &= key[rows[1:]] == key[rows[:-1]]
    first[1:] = ~first[1:]
    begins = np.flatnonzero(first)
    if order is not None:
        lowest = order[rows[begins]]
        if lowest.min() >= 0 and np.median(lowest) <= 2:
            return _counted(order, rows, first, int(lowest.min()))
        what, why = "fixations are numbered anew", "their numbers count on from image to image"
    else:
        what = f"fixations are in order of {'the rows' if start is None else 'their start'}"
        why = "they have no numbers"
    ranks = np.empty(len(rows), np.int32)
    ranks[rows] = np.arange(len(rows)) - np.repeat(begins, np.diff(begins, append=len(rows)))
    return ranks, [Decision("order", what, why, "--column order=NAME")]


def partly_ordered(
    stimulus: NDArray[np.int32], subject: NDArray[np.int32], unknown: NDArray[np.bool_]
) -> int | None:
    """Return the first fixation of unknown order whose scanpath has others of known order."""
    if unknown.all() or not unknown.any():
        return None
    scanpath = stimulus.astype(np.int64) * (int(subject.max()) + 1) + subject
    partly = np.flatnonzero(unknown & np.isin(scanpath, scanpath[~unknown]))
    return int(partly[0]) if len(partly) else None


def _counted(
    order: NDArray[np.float64], rows: NDArray[np.intp], first: NDArray[np.bool_], lowest: int
) -> tuple[NDArray[np.int32], list[Decision]]:
    """Return the order column's own numbers, from 0."""
    counting = f"fixations are numbered from {min(lowest, 1)}"
    why = f"the lowest number is {lowest}"
    decided = [Decision("order", counting, why, "--column order=NAME", guessed=lowest > 0)]
    if repeated := int(np.count_nonzero((np.diff(order[rows]) == 0) & ~first[1:])):
        decided.append(
            Decision(
                "order",
                f"{repeated} fixations have the image, subject and number of another one",
                "as if subjects saw images more than once",
                "--column trial=NAME tells viewings apart",
            )
        )
    return (order - min(lowest, 1)).astype(np.int32), decided
