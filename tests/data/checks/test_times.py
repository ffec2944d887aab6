"""Times that are no fixations', told from tables alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepgaze2.data.checks.times import times_problems
from deepgaze2.data.dataset import Dataset
from helpers.small_datasets import fixations_at, stimuli_of

OVERLAPS = "fixations that begin before the one before has ended"
SAME_ORDER = "fixations with the image, subject and order of another one"
MEDIAN = "durations that are no fixations' in the median"
LATE = "fixations that begin long after the one before has ended, in the median"
SHORT = "fixations shorter than 0.06 s, which are more than 20%"


def sound() -> Dataset:
    """Thirty scanpaths of four fixations, of 0.2 s and 0.05 s apart."""
    stimulus, subject, order = np.indices((10, 3, 4)).reshape(3, -1)
    columns = {"subject": subject, "order": order, "start_s": 0.25 * order}
    columns["duration_s"] = np.full(len(order), 0.2)
    return Dataset("sound", stimuli_of(10), fixations_at(stimulus, order, order, **columns))


def found(dataset: Dataset) -> dict[str, int]:
    return {problem.kind: problem.count for problem in times_problems(dataset) if problem.count}


def changed(**columns: Any) -> Dataset:
    dataset = sound()
    return replace(dataset, fixations=replace(dataset.fixations, **columns))


def test_sound_and_unknown_times_have_no_problem() -> None:
    assert found(sound()) == {}
    unknown = np.full(120, np.nan)
    assert found(changed(start_s=unknown, duration_s=unknown)) == {}
    assert found(sound().select(np.zeros(10, bool))) == {}


def test_two_subjects_taken_for_one() -> None:
    f = sound().fixations
    one = changed(subject=np.where(f.subject == 1, 0, f.subject))
    assert found(one) == {OVERLAPS: 40, SAME_ORDER: 40}


@pytest.mark.parametrize(
    ("start", "duration", "kinds"),
    [
        (1, 1000, {MEDIAN, OVERLAPS}),
        (1000, 1000, {MEDIAN}),
        (1000, 1, {LATE}),
        (1e-3, 1, {OVERLAPS}),
        (1e-3, 1e-3, {MEDIAN, SHORT}),
    ],
)
def test_units_of_time(start: float, duration: float, kinds: set[str]) -> None:
    f = sound().fixations
    other = changed(start_s=f.start_s * start, duration_s=f.duration_s * duration)
    assert set(found(other)) == kinds


def test_rows_of_saccades() -> None:
    f = sound().fixations
    assert found(changed(duration_s=np.where(f.order == 1, 0.03, f.duration_s))) == {SHORT: 30}
    few = (f.order == 1) & (f.subject == 0)
    assert found(changed(duration_s=np.where(few, 0.03, f.duration_s))) == {}
