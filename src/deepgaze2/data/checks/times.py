"""Whether times are those of fixations: one after the other, and about as long as people fixate."""

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.checks.problem import Problem, rows_problem
from deepgaze2.data.dataset import Dataset

_OVERLAP_S = 0.02
_SHORT_S, _SHORT_SHARE = 0.06, 0.2  # OSIE has 4% so short, MIT1003 2%
_MEDIAN_S = (0.05, 2.0)
_MOST_STEPS = 20  # durations of a fixation from one's beginning to the next's
_FEW = 20


def times_problems(dataset: Dataset) -> list[Problem]:
    """Return what is doubtful about orders, starts and durations."""
    f = dataset.fixations
    same = (f.stimulus[1:] == f.stimulus[:-1]) & (f.subject[1:] == f.subject[:-1])
    step = np.where(same, np.diff(f.start_s), np.nan)
    lasts = np.where(np.isfinite(f.duration_s[:-1]), f.duration_s[:-1], _OVERLAP_S)
    known = f.duration_s[np.isfinite(f.duration_s)]
    median = float(np.median(known)) if len(known) >= _FEW else np.nan
    long_steps = np.nanmedian(step) if np.isfinite(step).sum() >= _FEW else np.nan
    everything = np.ones(len(f), bool)
    advice = "look at the unit of times, --time, and at the columns they are read from"
    return [
        rows_problem(
            "fixations with the image, subject and order of another one",
            dataset,
            _later(same & (np.diff(f.order) == 0)),
            False,
            "look whether a column tells subjects or viewings apart: --column subject=, trial=",
            doubtful=True,
        ),
        rows_problem(
            "fixations that begin before the one before has ended",
            dataset,
            _later(step < lasts - _OVERLAP_S),
            False,
            "look whether all belong to one image and subject, are fixations, and in order",
            doubtful=True,
        ),
        rows_problem(
            "durations that are no fixations' in the median",
            dataset,
            everything & ~(np.isnan(median) | (_MEDIAN_S[0] <= median <= _MEDIAN_S[1])),
            False,
            advice,
            doubtful=True,
        ),
        rows_problem(
            "fixations that begin long after the one before has ended, in the median",
            dataset,
            everything & bool(long_steps > _MOST_STEPS * median),
            False,
            advice,
            doubtful=True,
        ),
        rows_problem(
            f"fixations shorter than {_SHORT_S:g} s, which are more than {_SHORT_SHARE:.0%}",
            dataset,
            (f.duration_s < _SHORT_S) & bool((known < _SHORT_S).mean() > _SHORT_SHARE)
            if len(known) >= _FEW
            else ~everything,
            False,
            "look whether some rows are saccades or blinks: --column kind=",
            doubtful=True,
        ),
    ]


def _later(second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the second of two successive fixations."""
    return np.append(False, second)
