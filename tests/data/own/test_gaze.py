"""What makes an eye's position count: its validity, and how sure the tracker is."""

from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.gaze import one_gaze
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError

WIDTH = 640
HEADER = "image,left_x,left_y,right_x,right_y"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (WIDTH, 480)).save(tmp_path / "a.png")
    return tmp_path


def read(folder: Path, lines: list[str], **stated: Any) -> Dataset:
    (folder / "fixations.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return read_tabular(folder, **stated)


@pytest.mark.parametrize(
    ("names", "cells", "kept"),
    [
        (
            "Validity left,Validity right",
            ["Valid,Invalid", "Invalid,Valid", "Invalid,Invalid"],
            "lr",
        ),
        ("ValidityLeft,ValidityRight", ["0,4", "3,1", "2,2"], "lr"),
        ("ValidityLeft,ValidityRight", ["0.0,4.0", ",0", "4,4"], "lb"),
        ("left_valid,right_valid", ["1,0", "true,true", "no,no"], "lb"),
        ("left_gaze_point_validity,right_gaze_point_validity", ["1,0", "0,1", "0,0"], "lr"),
    ],
)
def test_an_eye_that_is_not_valid_does_not_count(
    folder: Path, names: str, cells: list[str], kept: str
) -> None:
    lines = [f"{HEADER},{names}"] + [f"a,10,20,30,40,{cell}" for cell in cells]
    dataset = read(folder, lines, base=0)
    assert_array_equal(dataset.fixations.x, [{"l": 10, "r": 30, "b": 20}[one] for one in kept])
    assert any("1 of 3 rows are left out" in note for note in dataset.notes)
    assert len(read(folder, lines, columns={"valid": "none"}).fixations) == 3


def test_a_combined_position_counts_while_one_eye_is_valid(folder: Path) -> None:
    header = "image,x,y,Validity left,Validity right"
    cells = ["Valid,Valid", "Invalid,Valid", "Invalid,Invalid", ","]
    lines = [header] + [f"a,{10 * i},20,{cell}" for i, cell in enumerate(cells)]
    assert_array_equal(read(folder, lines).fixations.x, [0, 10, 30])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["0,1", "1,1"], "0 may be the best of five grades or say that the eye was lost"),
        (["0,4", "perhaps,4"], "'perhaps', which does not say whether the eye is valid"),
        (["4,4", "4,4"], "no fixation is left: 2 of 2 rows are left out"),
    ],
)
def test_validity_that_cannot_be_told_is_refused(
    folder: Path, cells: list[str], message: str
) -> None:
    lines = [f"{HEADER},ValidityLeft,ValidityRight"] + [f"a,10,20,30,40,{cell}" for cell in cells]
    with pytest.raises(DataError, match=message):
        read(folder, lines)


def test_what_smi_lost_lies_nowhere(folder: Path) -> None:
    lines = ["Stimulus,Point of Regard Binocular X,Point of Regard Binocular Y"]
    lines += ["a,0,0", "a,0,20", "a,10,0"]
    assert_array_equal(read(folder, lines, base=0).fixations.x, [np.nan, 0, 10])


def test_confidence_below_0_6_is_left_out(folder: Path) -> None:
    lines = ["image,norm_pos_x,norm_pos_y,confidence", "a,0.1,0.5,0.59", "a,0.2,0.5,0.6"]
    lines += ["a,0.3,0.5,1.0", "a,0.4,0.5,"]
    dataset = read(folder, lines)
    assert_allclose(dataset.fixations.x, [0.2 * WIDTH, 0.3 * WIDTH, 0.4 * WIDTH])
    assert any(
        "1 of 4 rows are left out: their 'confidence' is below 0.6 (--column confidence=none"
        in note
        for note in dataset.notes
    )
    assert len(read(folder, lines, columns={"confidence": "none"}).fixations) == 4
    rated = ["image,x,y,confidence", "a,10,20,0.1", "a,30,40,5"]  # perhaps how sure observers were
    assert len(read(folder, rated).fixations) == 2
    with pytest.raises(DataError, match="line 3: 5 in column 'confidence' is no confidence"):
        read(folder, rated, columns={"confidence": "confidence"})


POSITION = st.none() | st.integers(-50, 900).map(float)
WORD = st.sampled_from(["Valid", "Invalid", ""])
SAMPLES = st.lists(
    st.tuples(st.tuples(POSITION, POSITION, WORD), st.tuples(POSITION, POSITION, WORD)),
    min_size=1,
    max_size=12,
)


def mean_of(sample: tuple[Any, Any]) -> tuple[float, float] | None:
    """The mean as the words say it; None if the row does not count."""
    usable = [(x, y) for x, y, word in sample if None not in (x, y) and word != "Invalid"]
    if not usable:
        lost = any(word == "Invalid" for _, _, word in sample)
        return None if lost else (float("nan"), float("nan"))
    return fmean(x for x, _ in usable), fmean(y for _, y in usable)


@settings(deadline=None)
@given(samples=SAMPLES, seed=st.integers(0, 99))
def test_the_mean_is_that_of_the_valid_eyes(samples: list[Any], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(samples))
    for rank in (np.arange(len(samples)), order):
        shown = [samples[i] for i in rank]
        expected = [at for at in map(mean_of, shown) if at is not None]
        if not expected:
            with pytest.raises(DataError, match="no fixation is left"):
                one_gaze(as_rows(shown), COLUMNS, "mean", None)
            continue
        rows, _ = one_gaze(as_rows(shown), COLUMNS, "mean", None)
        assert_array_equal(np.stack([rows.numbers["x"], rows.numbers["y"]], 1), expected)
        assert set(rows.numbers) == {"x", "y"}
        assert not rows.texts


COLUMNS = {"left_valid": "l", "right_valid": "r"}


def as_rows(samples: list[Any]) -> Rows:
    words = ["Valid", "Invalid", ""]
    none = np.zeros(len(samples), np.int32)
    numbers, texts = {}, {}
    for i, eye in enumerate(("left", "right")):
        for j, axis in enumerate("xy"):
            numbers[f"{eye}_{axis}"] = np.array([s[i][j] for s in samples], np.float64)
        codes = np.array([words.index(s[i][2]) for s in samples], np.int32)
        texts[f"{eye}_valid"] = codes, words
    return Rows(none, ["a"], none, [], numbers, lambda row: f"line {row}", texts)
