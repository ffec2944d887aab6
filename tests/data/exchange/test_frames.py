"""Data sets as data frames and back."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from helpers.small_datasets import fixations_at, patches, stimuli_of

pd = pytest.importorskip("pandas", reason="no pandas; install the extra [pandas]")

NAN = float("nan")


def assert_equal(read: Dataset, written: Dataset) -> None:
    assert read.stimuli is written.stimuli
    assert read.subject_names == written.subject_names
    for field in fields(written.fixations):
        column, expected = (getattr(d.fixations, field.name) for d in (read, written))
        assert_array_equal(column, expected, field.name)
        assert column.dtype == expected.dtype


ROWS = st.lists(
    st.tuples(
        *[st.integers(0, 3)] * 3,
        *[st.floats(allow_infinity=False) | st.floats(0, 100)] * 2,
        *[st.floats(allow_infinity=False, width=32)] * 2,
    ),
)


@given(ROWS, st.sampled_from([(), ("z", "", "10", "9"), ("1", "2", "3", "4", "idle")]))
def test_any_data_set_survives(rows: list[tuple[float, ...]], names: tuple[str, ...]) -> None:
    stimulus, subject, order, x, y, start_s, duration_s = np.array(rows).reshape(-1, 7).T
    fixations = fixations_at(
        stimulus, x, y, subject=subject, order=order, start_s=start_s, duration_s=duration_s
    )
    stimuli = replace(stimuli_of(5), ids=("b.png", "a.png", "B.png", "b.jpg", "x/b.png"))
    dataset = Dataset("toy", stimuli, fixations, names)
    assert_equal(Dataset.from_frame(dataset.to_frame(), stimuli), dataset)


def test_columns_are_those_of_the_table(tmp_path: Path) -> None:
    dataset = replace(patches(tmp_path, 2), subject_names=("ann", "bob", "cy"))
    frame = dataset.to_frame()
    assert ",".join(frame.columns) == "image,subject,order,x_px,y_px,start_s,duration_s"
    assert frame.image[0] == dataset.stimuli.ids[0]
    assert set(frame.subject) <= set(dataset.subject_names)
    chosen = frame[frame.image == dataset.stimuli.ids[1]]
    read = Dataset.from_frame(chosen, tmp_path, "half")
    assert read.name == "half"
    assert_array_equal(read.fixations.x, dataset.fixations_on(1).x)
    assert read.stimuli.paths == dataset.stimuli.paths


def test_frames_of_other_origin() -> None:
    frame = pd.DataFrame(
        {
            "image": ["1", "0", "1", "1"],
            "subject": [12.0, NAN, 12, 7],
            "order": [NAN, 0, NAN, NAN],
            "x_px": [1, 2, 3, 4],
            "y_px": pd.array([1, 2, None, 4], dtype="Int64"),
            "start_s": [0.5, NAN, 0.25, NAN],
            "pupil": 3,
        },
        index=[5, 5, 6, 7],
    )
    dataset = Dataset.from_frame(frame, stimuli_of(2))
    assert dataset.subject_names == ("", "7", "12")
    assert_array_equal(dataset.fixations.subject, [0, 1, 2, 2])
    assert_array_equal(dataset.fixations.x, [2, 4, 3, 1])
    assert_array_equal(dataset.fixations.y, [2, 4, NAN, 1])
    assert_array_equal(dataset.fixations.order, [0, 0, 0, 1])
    assert_array_equal(dataset.fixations.start_s, [NAN, NAN, 0.25, 0.5])
    assert np.isnan(dataset.fixations.duration_s).all()
    assert len(dataset.notes) == 3
    numbered = Dataset.from_frame(frame.assign(subject=[3, 0, 3, 1]), stimuli_of(2))
    assert (numbered.subject_names, numbered.fixations.subject.tolist()) == ((), [0, 1, 3, 3])
    named = Dataset.from_frame(frame.assign(subject=[10**9, 0, 10**9, 1]), stimuli_of(2))
    assert named.subject_names == ("0", "1", "1000000000")
    alone = Dataset.from_frame(frame[["image", "x_px", "y_px"]], stimuli_of(2))
    assert_array_equal(alone.fixations.order, [0, 0, 1, 2])
    assert "all fixations count as one subject's" in " ".join(alone.notes).lower()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": "x_px"}, "needs one column x_px, but has image, x, y_px; rename"),
        ({"x_px": "y_px"}, "needs one column x_px and one y_px, but has"),
    ],
)
def test_columns_that_lack(changed: dict[str, str], message: str) -> None:
    frame = pd.DataFrame({"image": ["0"], "x_px": [1], "y_px": [2]})
    back = {new: old for old, new in changed.items()} if "x" in changed else changed
    with pytest.raises(DataError, match=message):
        Dataset.from_frame(frame.rename(columns=back), stimuli_of(1))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("x_px", ["1", "left"], "column 'x_px' holds .*convert it with pandas.to_numeric"),
        ("image", ["0", None], "row 1: image is missing; drop this row"),
        ("image", ["0", "7"], r"row 1: no image '7' \(1 of 2 names"),
        ("order", [0, 0.5], "row 1: the order 0.5 is not a whole number"),
        ("order", [0, NAN], "row 1: order is empty"),
    ],
)
def test_cells_that_are_wrong(column: str, values: list[Any], message: str) -> None:
    frame = pd.DataFrame({"image": ["0", "0"], "x_px": [1, 2], "y_px": [2, 3]})
    with pytest.raises(DataError, match=f"^data frame.*{message}"):
        Dataset.from_frame(frame.assign(**{column: values}), stimuli_of(1))


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    dataset = Dataset("toy", stimuli_of(1), fixations_at([0], [1], [1]))
    with pytest.raises(DataError, match=r'need pandas; pip install "deepgaze2\[pandas\]"'):
        dataset.to_frame()


def test_data_sets_do_without_pandas() -> None:
    code = "import sys, deepgaze2, deepgaze2.data.sources; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
