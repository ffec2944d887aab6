"""Samples of the gaze as a tracker takes them of known fixations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SACCADE_S = 0.03
PAUSE_S = 3.0


@dataclass(frozen=True)
class Recording:
    """What one observer's tracker wrote of one image, and what is in it.

    Attributes
    ----------
    time_s, x, y : float64 array (n,)
        Samples at steady steps; positions NaN in blinks.
    begins_s, ends_s, at_x, at_y : float64 array (n_fixations,)
        The fixations, each ending where a saccade of 30 ms or a blink begins.
    """

    time_s: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    begins_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    at_x: NDArray[np.float64]
    at_y: NDArray[np.float64]


def recorded(
    at_x: Sequence[float] | NDArray[np.float64],
    at_y: Sequence[float] | NDArray[np.float64],
    lasting_s: Sequence[float] | NDArray[np.float64],
    *,
    rate: float,
    noise: float,
    rng: np.random.Generator,
    blinks_after: Sequence[int] = (),
    blink_s: float = 0.15,
) -> Recording:
    """Return samples of fixations, with a blink instead of a saccade after some."""
    pauses = np.full(len(lasting_s), SACCADE_S)
    pauses[list(blinks_after)] = blink_s
    ends = np.cumsum(np.asarray(lasting_s) + pauses) - pauses
    begins = ends - lasting_s
    time_s = np.arange(0, ends[-1], 1 / rate)
    knots = np.stack([begins, ends], axis=1).ravel()
    x, y = (
        np.interp(time_s, knots, np.repeat(at, 2)) + rng.normal(0, noise, len(time_s))
        for at in (at_x, at_y)
    )
    for i in blinks_after:
        closed = (time_s >= ends[i]) & (time_s < ends[i] + blink_s)
        x[closed] = y[closed] = np.nan
    return Recording(time_s, x, y, begins, ends, np.asarray(at_x), np.asarray(at_y))
