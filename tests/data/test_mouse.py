import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from deepgaze2.data import Dataset, Fixations, Stimuli
from deepgaze2.data.mouse import Dwell, pseudo_fixations
from deepgaze2.errors import DataError

Trace = list[tuple[int, int]]


def samples_of(traces: list[Trace], start_s: ArrayLike = np.nan) -> Dataset:
    """One subject's traces on images of 100 by 100, and a second subject's, which is mirrored."""
    both = [(i, s, trace) for i, trace in enumerate(traces) for s in (0, 1)]
    lengths = [len(trace) for _, _, trace in both]
    n = sum(lengths)
    xy = np.array([p for _, _, trace in both for p in trace], dtype=np.float64).reshape(-1, 2)
    subject = np.repeat(np.array([s for _, s, _ in both], np.int32), lengths)
    stimuli = Stimuli(
        ids=tuple(str(i) for i in range(len(traces))),
        paths=(None,) * len(traces),
        width=np.full(len(traces), 100, np.int32),
        height=np.full(len(traces), 100, np.int32),
        pixels_per_degree=np.full(len(traces), np.nan),
    )
    fixations = Fixations(
        stimulus=np.repeat(np.array([i for i, _, _ in both], np.int32), lengths),
        subject=subject,
        order=np.array([k for length in lengths for k in range(length)], np.int32),
        x=np.where(subject == 1, 99 - xy[:, 0], xy[:, 0]),
        y=xy[:, 1],
        start_s=np.broadcast_to(np.asarray(start_s, np.float32), n),
        duration_s=np.full(n, np.nan, np.float32),
    )
    return Dataset("mouse", stimuli, fixations)


def one_by_one(trace: Trace, dwell: Dwell) -> list[tuple[float, float]]:
    """The dwells of a trace by the definition, sample after sample."""
    groups: list[Trace] = []
    for sample in trace:
        xs, ys = zip(*[*groups[-1], sample], strict=True) if groups else ((), ())
        if groups and max(xs) - min(xs) + max(ys) - min(ys) <= dwell.dispersion_px:
            groups[-1].append(sample)
        else:
            groups.append([sample])
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
        if len(group) >= dwell.min_samples
    ]


@st.composite
def walks(draw: st.DrawFn) -> Trace:
    steps = draw(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), max_size=30))
    walk = np.clip(50 + np.cumsum(steps, axis=0).reshape(-1, 2), 0, 99).astype(int)
    return [(int(x), int(y)) for x, y in walk]


@given(st.lists(walks(), min_size=1, max_size=4), st.integers(0, 20), st.integers(1, 4))
def test_agrees_with_the_definition_sample_by_sample(
    traces: list[Trace], dispersion_px: int, min_samples: int
) -> None:
    dwell = Dwell(dispersion_px=dispersion_px, min_samples=min_samples)
    found = pseudo_fixations(samples_of(traces), dwell)
    for i, trace in enumerate(traces):
        own = found.fixations_on(i)
        expected = one_by_one(trace, dwell)
        mirrored = [(99 - x, y) for x, y in expected]
        np.testing.assert_array_equal(own.subject, [0] * len(expected) + [1] * len(expected))
        np.testing.assert_array_equal(own.order, 2 * list(range(len(expected))))
        both = np.array(expected + mirrored).reshape(-1, 2)
        np.testing.assert_allclose(np.column_stack([own.x, own.y]), both)


SLOW_THEN_FAR: Trace = [(10, 10), (11, 10), (12, 11), (60, 60), (90, 20), (91, 20), (91, 21)]


def test_dwells_last_until_the_next_sample() -> None:
    samples = samples_of([SLOW_THEN_FAR], start_s=2 * [0, 0.02, 0.04, 0.5, 0.6, 0.7, 0.8])
    found = pseudo_fixations(samples, Dwell(dispersion_px=4, min_samples=1))
    first = found.of_subjects([0]).fixations
    np.testing.assert_allclose(first.x, [11, 60, 272 / 3])
    np.testing.assert_allclose(first.start_s, [0, 0.5, 0.6])
    np.testing.assert_allclose(first.duration_s, [0.5, 0.1, 0.2], rtol=1e-5)
    long = pseudo_fixations(samples, Dwell(4, min_samples=1, min_duration_s=0.15))
    np.testing.assert_allclose(long.of_subjects([0]).fixations.x, [11, 272 / 3])
    np.testing.assert_array_equal(long.of_subjects([0]).fixations.order, [0, 1])


def test_samples_without_time() -> None:
    samples = samples_of([SLOW_THEN_FAR])
    found = pseudo_fixations(samples, Dwell(dispersion_px=4, min_samples=3))
    assert np.isnan(found.fixations.start_s).all()
    assert np.isnan(found.fixations.duration_s).all()
    assert found.notes[0].startswith("pseudo-fixations from 14 samples by Dwell(dispersion_px=4,")
    with pytest.raises(DataError, match="samples have no time"):
        pseudo_fixations(samples, Dwell(min_duration_s=0.1))


def test_by_default_two_samples_within_two_pixels_are_enough() -> None:
    within = pseudo_fixations(samples_of([[(10, 10), (12, 10), (50, 50), (70, 70), (71, 71)]]))
    np.testing.assert_array_equal(within.of_subjects([0]).fixations.x, [11, 70.5])
    beyond = pseudo_fixations(samples_of([[(10, 10), (12, 11), (50, 50), (50, 53)]]))
    assert len(beyond.fixations) == 0


def test_samples_outside_are_refused() -> None:
    with pytest.raises(DataError, match="2 of 4 fixations lie outside"):
        pseudo_fixations(samples_of([[(10, 10), (10, 100)]]))


def test_no_samples() -> None:
    assert len(pseudo_fixations(samples_of([[]])).fixations) == 0
