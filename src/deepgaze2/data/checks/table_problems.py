"""What can be told to be wrong with a data set from its table alone."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.checks.problem import Problem, listed, rows_problem, subject_name
from deepgaze2.data.checks.times import times_problems
from deepgaze2.data.dataset import Dataset

_OUTSIDE_SHARE = 0.05
_FEW_FIXATIONS = 200
_NOT_SQUARE = 1.1


def table_problems(dataset: Dataset) -> list[Problem]:
    """Return all problems of a data set's table, including those that it does not have."""
    return [
        *_positions(dataset),
        _exchanged_by_range(dataset),
        _off_center(dataset),
        _durations(dataset),
        *times_problems(dataset),
        _duplicates(dataset),
        _idle_subjects(dataset),
        _bare_images(dataset),
    ]


def _relative(dataset: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y as fractions of the image's width and height."""
    fixations, stimuli = dataset.fixations, dataset.stimuli
    return (
        fixations.x / stimuli.width[fixations.stimulus],
        fixations.y / stimuli.height[fixations.stimulus],
    )


def first_at_center(dataset: Dataset) -> bool | None:
    """Tell whether scanpaths begin at the center of the image, as a fixation cross forces them.

    Returns
    -------
    bool or None
        True if the first fixations' median distance from the center is less than three
        quarters of later ones'; None if there are no first fixations or too few.
    """
    x, y = _relative(dataset)
    distance = np.hypot(x - 0.5, y - 0.5)
    order = dataset.fixations.order
    first, later = distance[order == 0], distance[order >= 2]
    if min(len(first), len(later)) < 20:
        return None
    return bool(np.nanmedian(first) < 0.75 * np.nanmedian(later))


def _positions(dataset: Dataset) -> list[Problem]:
    x, y = dataset.fixations.x, dataset.fixations.y
    known = np.isfinite(x) & np.isfinite(y)
    outside = known & ~dataset.inside()
    n_known = int(known.sum())
    normalized = known & (x <= 1) & (y <= 1)
    return [
        rows_problem("fixations without a position", dataset, ~known, False, "training drops them"),
        rows_problem(
            "fixations outside their image",
            dataset,
            outside,
            bool(outside.sum() > _OUTSIDE_SHARE * n_known),
            "training drops them; if they are more than 5%, their coordinates are not the image's",
        ),
        rows_problem(
            "all positions between 0 and 1",
            dataset,
            normalized & bool(normalized.sum() == n_known),
            True,
            "multiply x by the image's width and y by its height",
        ),
    ]


def _exchanged_by_range(dataset: Dataset) -> Problem:
    """Tell from their range alone whether x and y fit the image only if exchanged.

    Either they fall outside as they are, or, if such fixations have been dropped, the part of the
    longer side beyond the length of the shorter one is empty.
    """
    fixations, stimuli = dataset.fixations, dataset.stimuli
    exchanged = replace(dataset, fixations=replace(fixations, x=fixations.y, y=fixations.x))
    outside, outside_exchanged = ~dataset.inside(), ~exchanged.inside()
    width, height = stimuli.width[fixations.stimulus], stimuli.height[fixations.stimulus]
    x, y, wide = fixations.x, fixations.y, width > height
    along, across = np.where(wide, x, y), np.where(wide, y, x)
    shorter = np.minimum(width, height)
    long_ones = ~outside & (np.maximum(width, height) > _NOT_SQUARE * shorter)
    beyond = along[long_ones] >= shorter[long_ones]
    at_the_end = across[long_ones] >= 0.95 * shorter[long_ones]
    suspect = np.zeros(len(fixations), dtype=bool)
    if outside.sum() > max(_FEW_FIXATIONS / 10, 10 * outside_exchanged.sum()):
        suspect = outside & ~outside_exchanged
    elif len(beyond) >= _FEW_FIXATIONS and at_the_end.any() and not beyond.any():
        suspect = long_ones
    return rows_problem(
        "fixations that fit their image only with x and y exchanged",
        dataset,
        suspect,
        True,
        "exchange the columns: the file probably holds row before column",
    )


def _off_center(dataset: Dataset) -> Problem:
    x, y = (float(np.nanmedian(column)) if len(column) else 0.5 for column in _relative(dataset))
    off = len(dataset.fixations) >= _FEW_FIXATIONS and max(abs(x - 0.5), abs(y - 0.5)) > 0.2
    return Problem(
        "gaze is not centered on the images",
        len(dataset.fixations) if off else 0,
        (f"median at {x:.0%} of the width and {y:.0%} of the height",),
        False,
        "unless the images explain it, look for a constant offset between data and screen",
        doubtful=True,
    )


def _durations(dataset: Dataset) -> Problem:
    return rows_problem(
        "durations of zero or less",
        dataset,
        dataset.fixations.duration_s <= 0,
        False,
        "look at how fixations were detected; training does not use durations",
    )


def _duplicates(dataset: Dataset) -> Problem:
    f = dataset.fixations
    lasts = np.where(np.isfinite(f.start_s), 0, f.duration_s)  # of samples, durations grow
    columns = (lasts, f.start_s, f.y, f.x, dataset.person, f.stimulus)
    rows = np.lexsort(columns)
    same = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for column in columns:
        a, b = column[rows[1:]], column[rows[:-1]]
        same &= (a == b) | (np.isnan(a) & np.isnan(b))
    repeated = np.zeros(len(f), dtype=bool)
    repeated[rows[1:][same]] = True
    found = rows_problem(
        "fixations that equal another of the same subject in everything",
        dataset,
        repeated,
        False,
        "look whether a file was read twice",
    )
    return replace(found, doubtful=True)


def _idle_subjects(dataset: Dataset) -> Problem:
    seen = np.bincount(dataset.fixations.subject, minlength=len(dataset.subject_names))
    idle = [subject_name(dataset, int(i)) for i in np.flatnonzero(seen == 0)]
    return listed("subjects with no fixation", idle, False, "look whether their files are there")


def _bare_images(dataset: Dataset) -> Problem:
    bare = [dataset.stimuli.ids[i] for i in np.flatnonzero(np.diff(dataset.offsets) == 0)]
    return listed("images with no fixation", bare, False, "look whether their names match")
