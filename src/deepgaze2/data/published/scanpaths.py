"""Tables of fixations from scanpaths, and from maps that mark fixated pixels."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Fixations

UNORDERED = (
    "The data set marks fixated pixels: subjects and order are not known, and fixations at the"
    " same pixel count once."
)
"""The note of a data set that is read from maps."""


@dataclass(frozen=True, eq=False)
class Scanpath:
    """What one subject fixated in one viewing of a stimulus.

    Attributes
    ----------
    stimulus, subject : int
        Their numbers.
    x, y : float64 array (n,)
        Pixels, in order.
    duration_s : float64 array (n,), optional
        Seconds.
    """

    stimulus: int
    subject: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    duration_s: NDArray[np.float64] | None = None


def fixations_of(scanpaths: Iterable[Scanpath]) -> Fixations:
    """Return the table of all fixations; starts are not known."""
    paths = list(scanpaths)
    lengths = [len(path.x) for path in paths]
    empty = [np.zeros(0)]  # there may be no scanpath
    durations = [
        np.full(len(path.x), np.nan) if path.duration_s is None else path.duration_s
        for path in paths
    ]
    return Fixations(
        stimulus=np.repeat(np.array([path.stimulus for path in paths], np.int32), lengths),
        subject=np.repeat(np.array([path.subject for path in paths], np.int32), lengths),
        order=np.concatenate([np.arange(length) for length in lengths] + empty).astype(np.int32),
        x=np.concatenate([path.x for path in paths] + empty),
        y=np.concatenate([path.y for path in paths] + empty),
        start_s=np.full(sum(lengths), np.nan, dtype=np.float32),
        duration_s=np.concatenate(durations + empty).astype(np.float32),
    )


def marked_pixels(stimulus: int, fixation_map: NDArray[np.generic]) -> Scanpath:
    """Return the pixels that a map, shape (height, width), marks by other values than zero.

    As in the literature, coordinates are the pixels' indices, their upper left corners.
    """
    y, x = np.nonzero(fixation_map)
    return Scanpath(stimulus, 0, x.astype(np.float64), y.astype(np.float64))
