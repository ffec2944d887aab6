"""A problem of a data set: what is wrong, where, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset

_EXAMPLES = 3


@dataclass(frozen=True)
class Problem:
    """One kind of problem.

    Attributes
    ----------
    kind : str
        What is wrong, in a few words.
    count : int
        How many images, subjects or fixations have it.
    examples : tuple of str
        The first few of them.
    fatal : bool
        Whether training on the data as they are would fail or learn something false.
    advice : str
        What to do, one sentence.
    doubtful : bool
        Whether it may be that something was misread, so that it is said first.
    """

    kind: str
    count: int
    examples: tuple[str, ...]
    fatal: bool
    advice: str
    doubtful: bool = False


def listed(kind: str, found: Sequence[str], fatal: bool, advice: str) -> Problem:
    """Return a problem with the first few of what was found as its examples."""
    return Problem(kind, len(found), tuple(found[:_EXAMPLES]), fatal, advice)


def rows_problem(
    kind: str,
    dataset: Dataset,
    found: NDArray[np.bool_],
    fatal: bool,
    advice: str,
    *,
    doubtful: bool = False,
) -> Problem:
    """Return a problem of single fixations."""
    fixations = dataset.fixations
    examples = tuple(
        f"{dataset.stimuli.ids[fixations.stimulus[row]]},"
        f" subject {subject_name(dataset, int(fixations.subject[row]))},"
        f" fixation {fixations.order[row]} at ({fixations.x[row]:g}, {fixations.y[row]:g})"
        for row in np.flatnonzero(found)[:_EXAMPLES]
    )
    return Problem(kind, int(np.count_nonzero(found)), examples, fatal, advice, doubtful)


def subject_name(dataset: Dataset, number: int) -> str:
    """Return what to call a subject."""
    names = dataset.subject_names
    return (names[number] or "without a name") if number < len(names) else str(number)
