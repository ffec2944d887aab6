"""0 or 1, pixels or fractions, seconds or milliseconds, and the order of fixations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from deepgaze2.data.decisions import notes_of
from deepgaze2.data.own.conventions import (
    assumed_unit,
    duration_unit_s,
    scanpath_order,
    start_unit_s,
)
from deepgaze2.data.own.geometry import Geometry, maps_to_images
from deepgaze2.errors import DataError

WIDTH, HEIGHT = 80, 60
NAN = float("nan")


def converted(x: ArrayLike, y: ArrayLike, **stated: object) -> tuple[list[float], list[float], str]:
    x, y = np.array(x, np.float64), np.array(y, np.float64)
    width, height = np.full(len(x), WIDTH, np.int32), np.full(len(x), HEIGHT, np.int32)
    unit, base, notes = assumed_unit(x, y, width, height, **stated)  # type: ignore[arg-type]
    maps_to_images(width, height, Geometry(coordinates=unit, base=base)).apply(x, y)
    return x.tolist(), y.tolist(), " ".join(notes_of(notes))


@given(
    x=st.lists(st.integers(0, WIDTH - 1), min_size=3, max_size=30),
    y_seed=st.integers(0, 99),
)
def test_whole_pixels_that_reach_both_edges_tell_their_base(x: list[int], y_seed: int) -> None:
    x = [0, WIDTH - 1, *x]
    y = np.random.default_rng(y_seed).integers(0, HEIGHT, len(x)).tolist()
    for base in (0, 1):
        found_x, found_y, notes = converted([v + base for v in x], [v + base for v in y])
        assert (found_x, found_y) == (x, y)
        assert ("called 1, and 1 was subtracted" in notes) == (base == 1)


def test_base_that_cannot_be_told_is_zero_and_said() -> None:
    for x in ([5, 70, 9], [5.5, 79.9, 9], [5, 80, 81], [5.5, 80, 9]):
        found, _, notes = converted(x, [5, 50, 9])
        assert found == x
        assert "called 0: no coordinate tells whether it is 0 or 1 (--base 1" in notes
    assert converted([5, 70], [5, 50], base=1) == ([4, 69], [4, 49], "")
    assert converted([5, 80], [5, 60], base=0) == ([5, 80], [5, 60], "")


def test_fractions_are_recognized_unless_stated() -> None:
    x, y, notes = converted([0.25, 1.05, NAN, *[0.5] * 98], [0.5] * 101)
    assert x[:2] == [20, 84]
    assert np.isnan(x[2])
    assert y[0] == 30
    assert "fractions" in notes
    assert converted([0.25], [0.5], coordinates="pixels") == ([0.25], [0.5], "")
    assert converted([2.5], [0.5], coordinates="normalized") == ([200], [30], "")
    x, _, notes = converted([0.25, 40, 50, 60], [0.5, 1, 2, 3])  # few are near 0
    assert (x[1], notes) == (40, "")
    assert converted([NAN], [NAN])[2] == ""
    assert converted([], [])[2] == ""


def test_units_of_durations() -> None:
    def unit(values: list[float], named: float | None = None, stated: object = None) -> object:
        unit_s, decided = duration_unit_s(np.array(values), named, stated, "column 'dur'")  # type: ignore[arg-type]
        return unit_s, [(one.what, one.why) for one in decided]

    assert unit([180, 220, NAN]) == (
        1e-3,
        [("durations are taken as milliseconds", "their median is 200")],
    )
    assert unit([0.18, 0.22]) == (1, [("durations are taken as seconds", "their median is 0.2")])
    assert unit([180, 220], named=1e-3) == (1e-3, [])
    assert unit([180_000], named=1e-6) == (1e-6, [])
    assert unit([NAN]) == (None, [])
    assert unit([180], named=1.0, stated="ms") == (1e-3, [])
    for values, named in (([180.0], 1.0), ([0.2], 1e-3), ([180_000.0], None)):
        with pytest.raises(DataError, match="column 'dur': fixations would last"):
            unit(values, named)


def test_units_of_starts() -> None:
    starts = np.array([0, 1500, NAN])
    assert start_unit_s(starts, None, None, None)[0] == 1e-3
    assert start_unit_s(starts / 1000, None, None, None)[0] == 1
    assert start_unit_s(starts, 1.0, None, 1e-3) == (1, [])
    assert start_unit_s(starts, None, None, 1.0) == (1, [])
    assert start_unit_s(starts, 1.0, "ms", 1.0) == (1e-3, [])


def ordered(
    stimulus: list[int], subject: list[int], order: ArrayLike | None, start: ArrayLike | None = None
) -> tuple[list[int], str]:
    columns: list[NDArray[np.float64] | None] = [
        None if column is None else np.array(column, np.float64) for column in (order, start)
    ]
    keys = np.array(stimulus, np.int32), np.array(subject, np.int32)
    positions, notes = scanpath_order(*keys, *columns)
    return positions.tolist(), " ".join(notes_of(notes))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 9))))
def test_order_without_a_column_is_that_of_starts_then_rows(
    rows: list[tuple[int, int, int]],
) -> None:
    stimulus, subject, start = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 3
    )
    for times in (start, None):
        expected = [
            sum(
                other[:2] == row[:2] and ((other[2], j) < (row[2], i) if times else j < i)
                for j, other in enumerate(rows)
            )
            for i, row in enumerate(rows)
        ]
        assert ordered(stimulus, subject, None, times)[0] == expected


def test_order_columns() -> None:
    stimulus, subject = [0, 0, 0, 1, 1], [0, 0, 1, 0, 0]
    assert ordered(stimulus, subject, [0, 1, 0, 0, 2]) == ([0, 1, 0, 0, 2], "")
    positions, notes = ordered(stimulus, subject, [1, 2, 1, 1, 3])
    assert positions == [0, 1, 0, 0, 2]
    assert notes == "Fixations are numbered from 1: the lowest number is 1 (--column order=NAME)."
    assert ordered(stimulus, subject, [2, 3, 2, 2, 4])[0] == [1, 2, 1, 1, 3]
    positions, notes = ordered(stimulus, subject, [102, 101, 7, 55, 60])
    assert positions == [1, 0, 0, 0, 1]
    assert "numbered anew" in notes
    positions, notes = ordered(stimulus, subject, [0, 0, 0, 0, 1])
    assert positions == [0, 0, 0, 0, 1]
    assert notes.startswith("1 fixations have the image, subject and number of another one")
