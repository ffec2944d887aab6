from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from deepgaze2.data import Dataset, Fixations, Stimuli
from deepgaze2.errors import DataError


def stimuli(n: int, width: int = 100, height: int = 50) -> Stimuli:
    return Stimuli(
        ids=tuple(f"{i}.png" for i in range(n)),
        paths=tuple(Path(f"{i}.png") for i in range(n)),
        width=np.full(n, width, np.int32),
        height=np.full(n, height, np.int32),
        pixels_per_degree=np.full(n, np.nan),
    )


def fixations(stimulus: ArrayLike, **columns: Any) -> Fixations:
    n = len(np.asarray(stimulus))
    chosen: dict[str, Any] = dict.fromkeys(("subject", "order", "x", "y"), np.arange(n))
    chosen |= dict.fromkeys(("start_s", "duration_s"), np.full(n, np.nan)) | columns
    return Fixations(stimulus=np.asarray(stimulus, np.int32), **chosen)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 2))))
def test_fixations_are_grouped_by_stimulus_whatever_their_order(
    rows: list[tuple[int, int, int]],
) -> None:
    columns = np.array(rows, np.int32).reshape(-1, 3).T
    x = np.arange(len(rows), dtype=np.float64)
    given_table = fixations(columns[0], subject=columns[1], order=columns[2], x=x, y=x)
    dataset = Dataset("toy", stimuli(5), given_table)
    expected = sorted(range(len(rows)), key=lambda i: (*rows[i], i))
    np.testing.assert_array_equal(dataset.fixations.x, expected)
    for i in range(5):
        own = dataset.fixations_on(i)
        np.testing.assert_array_equal(own.x, [j for j in expected if rows[j][0] == i])
        assert set(own.stimulus.tolist()) <= {i}


@given(st.lists(st.integers(0, 4), max_size=30), st.lists(st.integers(0, 4), max_size=8))
def test_select_renumbers_stimuli_in_the_order_asked_for(seen: list[int], asked: list[int]) -> None:
    dataset = Dataset("toy", stimuli(5), fixations(seen))
    chosen = dataset.select(np.array(asked, np.intp))
    assert chosen.stimuli.ids == tuple(f"{i}.png" for i in asked)
    for new, old in enumerate(asked):
        np.testing.assert_array_equal(chosen.fixations_on(new).x, dataset.fixations_on(old).x)
    assert len(chosen.fixations) == sum(seen.count(i) for i in asked)


def test_select_takes_a_mask() -> None:
    dataset = Dataset("toy", stimuli(3), fixations([0, 1, 2, 2]))
    chosen = dataset.select(np.array([False, False, True]))
    assert chosen.stimuli.ids == ("2.png",)
    np.testing.assert_array_equal(chosen.fixations.x, [2, 3])


def test_columns_cannot_change() -> None:
    x = np.array([1.0, 2.0])
    table = fixations([0, 0], x=x)
    x[0] = 7
    assert table.x[0] == 1
    for part in (table, table[np.array([True, True])], table[0:1]):
        with pytest.raises(ValueError, match="read-only"):
            part.x[0] = 5


def test_a_fixation_belongs_to_the_pixel_at_its_floor() -> None:
    tenths = np.arange(8000)
    row, column = fixations(np.zeros(8000), x=tenths / 10, y=tenths / 10).pixel()
    np.testing.assert_array_equal(column, tenths // 10)
    np.testing.assert_array_equal(row, tenths // 10)


def test_outside_fixations_are_dropped_or_refused_by_name() -> None:
    x = [0.0, np.nextafter(100, 0), 100.0, -1e-9, np.nan, 5.0, 5.0]
    y = [0.0, np.nextafter(50, 0), 5.0, 5.0, 5.0, 50.0, np.inf]
    dataset = Dataset("toy", stimuli(1), fixations(np.zeros(7), x=x, y=y))
    np.testing.assert_array_equal(dataset.inside(), [1, 1, 0, 0, 0, 0, 0])
    with pytest.raises(DataError, match=r"toy: 5 of 7 fixations lie outside"):
        dataset.refuse_outside()
    inside = dataset.without_outside()
    inside.refuse_outside()
    assert len(inside.fixations) == 2


def test_without_first_drops_only_the_first_of_each_scanpath() -> None:
    table = fixations([0, 0, 0, 0, 1], subject=[0, 0, 1, 1, 0], order=[0, 1, 1, 2, 0])
    left = Dataset("toy", stimuli(2), table).without_first()
    np.testing.assert_array_equal(left.fixations.x, [1, 2, 3])
    assert len(left.stimuli) == 2


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="equal length"):
        fixations([0, 0], x=[1.0])


@pytest.mark.parametrize("stimulus", [-1, 2])
def test_a_fixation_on_no_stimulus_is_refused(stimulus: int) -> None:
    with pytest.raises(DataError, match=r"stimulus column holds .* from 0 to 1"):
        Dataset("toy", stimuli(2), fixations([0, stimulus]))


def test_a_fixation_of_no_named_subject_is_refused() -> None:
    table = fixations([0, 0, 1], subject=[0, 1, 2])
    Dataset("toy", stimuli(2), table)
    with pytest.raises(DataError, match=r"subject column holds 0 to 2, .* from 0 to 1"):
        Dataset("toy", stimuli(2), table, ("ann", "bob"))


ROWS = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40)


@given(ROWS, st.sets(st.integers(0, 3)))
def test_subjects_are_chosen_by_number_or_name(
    rows: list[tuple[int, int, int]], chosen: set[int]
) -> None:
    stimulus, subject, order = np.array(rows).T
    names = ("ann", "böb", "cy", "dee")
    dataset = Dataset("toy", stimuli(4), fixations(stimulus, subject=subject, order=order), names)
    for part in (dataset.of_subjects(chosen), dataset.of_subjects(names[i] for i in chosen)):
        left = zip(
            part.fixations.stimulus, part.fixations.subject, part.fixations.order, strict=True
        )
        assert list(left) == sorted(row for row in rows if row[1] in chosen)
        assert part.subject_names == names
        assert part.stimuli is dataset.stimuli
    with pytest.raises(DataError, match=r"'eve'; names are ann, böb, cy, dee"):
        dataset.of_subjects(["eve"])


@given(ROWS)
def test_first_fixations_are_left_out(rows: list[tuple[int, int, int]]) -> None:
    stimulus, subject, order = np.array(rows).T
    dataset = Dataset("toy", stimuli(4), fixations(stimulus, subject=subject, order=order))
    part = dataset.without_first().fixations
    left = list(zip(part.stimulus, part.subject, part.order, strict=True))
    assert left == sorted(row for row in rows if row[2] > 0)


def test_viewings_of_one_person_are_one_persons() -> None:
    names = (
        "ab / 1 / enc",
        "cd / 1 / enc",
        "ab / 1 / rec",
        "ab / 2 / enc",
        "cd",
        "ef / 1 / enc",
        "abc",
    )
    n = np.arange(len(names))
    dataset = Dataset("toy", stimuli(1), fixations(np.zeros(7), subject=n), names)
    ab, cd, ab_too, ab_again, cd_too, ef, abc = dataset.person
    assert ab == ab_too == ab_again
    assert cd == cd_too
    assert len({ab, cd, ef, abc}) == 4


def test_an_image_that_is_not_at_hand_is_asked_for() -> None:
    some = replace(stimuli(2), paths=(None, Path("b.png")))
    assert some.path(1) == Path("b.png")
    with pytest.raises(DataError, match=r"0\.png: the image is not at hand; give"):
        some.path(0)


def test_ten_million_fixations_fit_in_a_gigabyte() -> None:
    bytes_each = sum(getattr(fixations([0]), field.name).itemsize for field in fields(Fixations))
    assert bytes_each * 10_000_000 < 500_000_000
