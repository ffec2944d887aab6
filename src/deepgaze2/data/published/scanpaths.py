"""Tables of fixations from scanpaths, and from maps that mark fixated pixels."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Fixations, Stimuli
from deepgaze2.image.image_files import natural_key

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
    duration_s, start_s : float64 array (n,), optional
        Seconds, the latter since the stimulus appeared.
    """

    stimulus: int
    subject: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    duration_s: NDArray[np.float64] | None = None
    start_s: NDArray[np.float64] | None = None


def fixations_of(scanpaths: Iterable[Scanpath]) -> Fixations:
    """Return the table of all fixations."""
    paths = list(scanpaths)
    lengths = [len(path.x) for path in paths]
    empty = [np.zeros(0)]  # there may be no scanpath
    starts, durations = (
        [np.full(len(x), np.nan) if seconds is None else seconds for x, seconds in column]
        for column in (
            [(path.x, path.start_s) for path in paths],
            [(path.x, path.duration_s) for path in paths],
        )
    )
    return Fixations(
        stimulus=np.repeat(np.array([path.stimulus for path in paths], np.int32), lengths),
        subject=np.repeat(np.array([path.subject for path in paths], np.int32), lengths),
        order=np.concatenate([np.arange(length) for length in lengths] + empty).astype(np.int32),
        x=np.concatenate([path.x for path in paths] + empty),
        y=np.concatenate([path.y for path in paths] + empty),
        start_s=np.concatenate(starts + empty).astype(np.float32),
        duration_s=np.concatenate(durations + empty).astype(np.float32),
    )


def fixations_by_name(
    viewings: Iterable[tuple[str, str, NDArray[np.float64]]],
) -> tuple[list[str], list[str], Fixations]:
    """Return the table of viewings that call images and subjects by their names.

    Parameters
    ----------
    viewings : iterable of (str, str, float64 array)
        Image, subject, and a scanpath as rows x (px), y (px) and perhaps duration and start (s);
        images are kept even where nobody fixated them.

    Returns
    -------
    images, subjects : list of str
        In natural order; their places are the numbers in the table.
    fixations : Fixations
    """
    found = list(viewings)
    images = sorted({image for image, _, _ in found}, key=natural_key)
    subjects = sorted({name for _, name, columns in found if columns.size}, key=natural_key)
    image_number, subject_number = (
        {name: number for number, name in enumerate(names)} for names in (images, subjects)
    )
    scanpaths = (
        Scanpath(image_number[image], subject_number[subject], *columns)
        for image, subject, columns in found
        if columns.size
    )
    return images, subjects, fixations_of(scanpaths)


def marked_pixels(stimuli: Stimuli, stimulus: int, fixation_map: NDArray[np.generic]) -> Scanpath:
    """Return the pixels that a stimulus' map, (height, width), marks by other values than zero.

    As in the literature, coordinates are the pixels' indices, their upper left corners. A
    ValueError if the map has another size than the image.
    """
    size = int(stimuli.height[stimulus]), int(stimuli.width[stimulus])
    if (shape := np.shape(fixation_map)) != size:
        raise ValueError(f"the map of {stimuli.ids[stimulus]} is {shape}, the image {size}")
    y, x = np.nonzero(fixation_map)
    return Scanpath(stimulus, 0, x.astype(np.float64), y.astype(np.float64))
