"""Fixations in MIT1003's samples, detected as the data set's own program does.

Its constants and its small irregularities are kept, since they decide which fixations the
literature has. A saccade begins where acceleration has been above a threshold, and ends where
deceleration has; fixations are what lies between.
"""

import numpy as np
from numpy.typing import NDArray

SAMPLES_PER_S = 240

_SMOOTHED_SAMPLES = 4
_THRESHOLD = 6.0 * 34.0  # 34 pixels per degree belong to an older set-up than MIT1003's
_MIN_ACCELERATING = 3
_MAX_UNTIL_END = 25
_MIN_FIXATION = 12

Indices = NDArray[np.intp]


def detect_fixations(samples: NDArray[np.float64]) -> tuple[Indices, Indices]:
    """Divide a trial into fixations.

    Parameters
    ----------
    samples : float64 array (n, 2)
        x and y in pixels at 240 Hz; NaN where the eye was lost.

    Returns
    -------
    starts, stops : int arrays (n_fixations,)
        First sample of each fixation, and the one after its last.
    """
    n = len(samples)
    if n == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    begins, ends = _merged(*_saccades(_acceleration(samples)), n)
    starts, stops = np.append(0, ends + 1), np.append(begins, n)
    in_trial = starts < n
    return starts[in_trial], stops[in_trial]


def median_positions(
    samples: NDArray[np.float64], starts: Indices, stops: Indices
) -> NDArray[np.float64]:
    """Return the medians of x and of y over each fixation's valid samples, (n_fixations, 2).

    NaN where a fixation has none.
    """
    medians = np.full((len(starts), 2), np.nan)
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        for axis in (0, 1):
            values = samples[start:stop, axis]
            valid = values[~np.isnan(values)]
            if len(valid):
                medians[i, axis] = np.median(valid)
    return medians


def _acceleration(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much faster the eye is over the five samples from the next one on than from here.

    In pixels per second; zero where the windows do not fit into the trial.
    """
    n = len(samples)
    acceleration = np.zeros(n)
    if n > _SMOOTHED_SAMPLES + 2:
        step = np.append(0.0, np.hypot(*np.diff(samples, axis=0).T))
        smoothed = np.convolve(step, np.full(_SMOOTHED_SAMPLES, 1 / _SMOOTHED_SAMPLES))[:n]
        speed = np.convolve(smoothed, np.ones(_SMOOTHED_SAMPLES + 1), "valid")
        speed *= SAMPLES_PER_S / _SMOOTHED_SAMPLES
        acceleration[1 : n - _SMOOTHED_SAMPLES - 1] = np.diff(speed)[1:]
    return acceleration


def _saccades(acceleration: NDArray[np.float64]) -> tuple[Indices, Indices]:
    """Return first and last sample of what accelerates for long enough and decelerates soon."""
    edges = np.flatnonzero(np.diff(acceleration > _THRESHOLD, prepend=False, append=False))
    firsts, lasts = edges[::2], edges[1::2] - 1
    long_enough = lasts - firsts + 1 >= _MIN_ACCELERATING
    firsts, lasts = firsts[long_enough], lasts[long_enough]
    braking = acceleration < -_THRESHOLD
    brakes_end = braking & ~np.append(braking[1:], False)
    ends = [_next(brakes_end, last + 1) for last in lasts]
    if len(lasts) == 1 and ends[0] < 0 and lasts[0] == np.flatnonzero(acceleration)[-1]:
        ends[0] = len(acceleration) - 1  # the trial ends in it; not looked at if there are others
    found = np.array(ends, dtype=np.intp)
    return firsts[found >= 0], found[found >= 0]


def _next(marked: NDArray[np.bool_], start: int) -> int:
    """Return the first marked sample of those that a saccade may still last, -1 if none is."""
    found = np.flatnonzero(marked[start : start + _MAX_UNTIL_END])
    return start + int(found[0]) if len(found) else -1


def _merged(begins: Indices, ends: Indices, n: int) -> tuple[Indices, Indices]:
    """Join saccades with too little between them; one shortly before the trial's end reaches it."""
    apart = begins[1:] - ends[:-1] > _MIN_FIXATION
    begins = begins[np.append(np.ones(len(begins[:1]), bool), apart)]
    ends = ends[np.append(apart, np.ones(len(ends[:1]), bool))]
    if len(ends) and n - 1 - ends[-1] <= _MIN_FIXATION:
        ends[-1] = n - 1
    return begins, ends
